import { isPlainObject, type JsonValue } from "../core/json.ts";
import { decode, encode } from "./codec.ts";

/** Where something stands in the channels: the channel, then keys and indices. */
type Path = readonly string[];

/**
 * The values of a graph's channels as they are stored, with what the record's codec does not say: which of their
 * objects may be changed in place (what nodes return is frozen, what reducers make is not), and which are one and
 * the same.
 */
export interface PackedState {
  readonly values: JsonValue;
  /** The arrays and plain objects that are not frozen. */
  readonly loose: readonly Path[];
  /** Where an object stands once more, and where it stood first. */
  readonly same: readonly (readonly [Path, Path])[];
}

/** State that cannot be stored so that it comes back the same. */
export class NotStorable extends Error {}

/** @throws {@link NotStorable}, or `UnrecordableValueError` for what the codec does not know. */
export function packState(channels: Readonly<Record<string, unknown>>): PackedState {
  const seen = new Map<object, Path | null>();
  const loose: Path[] = [];
  const same: [Path, Path][] = [];
  /** @param path null inside a map or a set: there is no way to say where in it something stands */
  const look = (value: unknown, path: Path | null): void => {
    if (typeof value !== "object" || value === null) return;
    const known = seen.get(value);
    if (known !== undefined) {
      if (known === null || path === null) {
        throw new NotStorable("The same object stands in a map or a set and somewhere else.");
      }
      same.push([path, known]);
      return;
    }
    seen.set(value, path);
    if (Array.isArray(value) || isPlainObject(value)) {
      // What the codec makes of a map is not frozen inside, and was not frozen when it was made.
      if (path !== null && !Object.isFrozen(value)) loose.push(path);
      for (const key of Object.keys(value)) {
        const part = (value as Record<string, unknown>)[key];
        if (typeof part === "object") look(part, path && [...path, key]);
      }
    } else if (value instanceof Map || value instanceof Set) {
      for (const part of value instanceof Map ? [...value].flat() : value) look(part, null);
    }
  };
  for (const [channel, value] of Object.entries(channels)) look(value, [channel]);
  return { values: encode({ ...channels }), loose, same };
}

/** @throws {@link NotStorable} where it is not what was packed. */
export function unpackState({ values, loose, same }: PackedState): Record<string, unknown> {
  const channels = decode(values);
  if (!isPlainObject(channels)) throw new NotStorable("The stored channels are none.");
  // Before anything is frozen.
  for (const [path, first] of same) {
    const into = partAt(channels, path.slice(0, -1));
    (into as Record<string, unknown>)[path.at(-1) ?? ""] = partAt(channels, first);
  }
  const mutable = new Set<unknown>([channels, ...loose.map((path) => partAt(channels, path))]);
  freeze(channels, mutable, new Set());
  return channels;
}

function freeze(value: unknown, mutable: ReadonlySet<unknown>, seen: Set<unknown>): void {
  if (!(Array.isArray(value) || isPlainObject(value)) || seen.has(value)) return;
  seen.add(value);
  for (const part of Object.values(value)) freeze(part, mutable, seen);
  if (!mutable.has(value)) Object.freeze(value);
}

function partAt(channels: unknown, path: Path): object {
  let part = channels;
  for (const key of path)
    part = typeof part === "object" && part !== null ? (part as Record<string, unknown>)[key] : null;
  if (typeof part !== "object" || part === null) throw new NotStorable(`There is no object at ${path.join("/")}.`);
  return part;
}
