import type { JsonValue } from "../core/json.ts";
import { RESERVED_KEYS } from "./json-schema.ts";
import { own, type VisibleRecord, type VisibleType } from "./visible.ts";

/** Why a call cannot be judged, and where. Never holds a value: verdicts are recorded in the clear. */
export interface CallFault {
  readonly fault: "reserved_key" | "invalid_input" | "input_too_large";
  readonly message: string;
}

const MAX_DEPTH = 100;

/**
 * Looks at a whole input, hidden parts included, for what must never reach Cedar or the record: keys
 * with a meaning of their own, and values that JSON or UTF-8 would change on the way.
 */
export function findInputFault(input: unknown): CallFault | undefined {
  const found = scan(input, 0);
  if (found === undefined) return undefined;
  const where = found.path.length === 0 ? "The input" : `The input's "${found.path.reverse().join("/")}"`;
  return found.fault === "reserved_key"
    ? { fault: found.fault, message: `${where} is a key that rules reserve, which no call may have.` }
    : { fault: found.fault, message: `${where} is ${found.what}, which rules cannot judge.` };
}

interface Scanned {
  readonly fault: CallFault["fault"];
  readonly what: string;
  readonly path: string[];
}

function scan(value: unknown, depth: number): Scanned | undefined {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? undefined : invalid("text with half of a surrogate pair");
    case "number":
      return Number.isFinite(value) ? undefined : invalid("not a finite number");
    case "boolean":
      return undefined;
    case "object":
      break;
    default:
      return invalid("not JSON");
  }
  if (value === null) return undefined;
  if (depth === MAX_DEPTH) return { fault: "input_too_large", what: "nested too deeply", path: [] };
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const found = scan(value[i], depth + 1);
      if (found) return within(found, String(i));
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return invalid("not a plain object");
  for (const [key, child] of Object.entries(value)) {
    if (RESERVED_KEYS.has(key) || key === "__proto__") return { fault: "reserved_key", what: "", path: [key] };
    const found = key.isWellFormed() ? scan(child, depth + 1) : invalid("a key with half of a surrogate pair");
    if (found) return within(found, key);
  }
  return undefined;
}

function invalid(what: string): Scanned {
  return { fault: "invalid_input", what, path: [] };
}

function within(found: Scanned, key: string): Scanned {
  found.path.push(key.isWellFormed() ? key : "?");
  return found;
}

/**
 * Whether a call is of the type that the rules were checked against; the fault if not. Its arguments have
 * passed the tool's own schema before, so that this is no user's mistake: somebody has gone around that
 * check, or another version of the tool is called than the one that the rules were made for.
 */
export function findMisfit(type: VisibleRecord, call: JsonValue): CallFault | undefined {
  const path: string[] = [];
  if (fits(type, call, path)) return undefined;
  const [first, ...rest] = path.reverse();
  const place =
    first === "input"
      ? ["The call's input", ...rest.map((name) => `"${name}"`)].join(" / ")
      : `The call's "${path.join("/")}"`;
  return { fault: "invalid_input", message: `${place} does not fit the schema that the rules were checked against.` };
}

/** `path` collects, from the inside out, where a value does not fit. */
function fits(type: VisibleType, value: JsonValue | undefined, path: string[]): boolean {
  switch (type.type) {
    case "String":
      return typeof value === "string";
    case "Long":
      return Number.isSafeInteger(value);
    case "Bool":
      return typeof value === "boolean";
    case "Set":
      if (!Array.isArray(value)) return false;
      return (value as readonly JsonValue[]).every(
        (element, i) => fits(type.element, element, path) || at(path, String(i)),
      );
    case "Record":
      return recordFits(type, value, path);
  }
}

function recordFits(type: VisibleRecord, value: JsonValue | undefined, path: string[]): boolean {
  if (type.opaque !== undefined) return true;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const record = value as Readonly<Record<string, JsonValue>>;
  for (const [name, field] of Object.entries(type.fields)) {
    const found = own(record, name) ?? undefined;
    if (found === undefined ? !field.optional : !fits(field.value, found, path)) return at(path, name);
  }
  if (type.open) return true;
  const strange = Object.keys(record).find(
    (name) => !Object.hasOwn(type.fields, name) && !Object.hasOwn(type.hidden, name),
  );
  return strange === undefined || at(path, strange);
}

function at(path: string[], name: string): false {
  path.push(name);
  return false;
}
