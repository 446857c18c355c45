import { hash } from "node:crypto";
import { SignalboxError } from "./errors.ts";
import { isPlainObject } from "./json.ts";
import { Unfit, unfitAt } from "./unfit.ts";

/** A value cannot be written as canonical JSON, so it cannot be hashed, judged or recorded. */
export class NotCanonicalError extends SignalboxError {
  static override readonly code = "NOT_CANONICAL";
}

/**
 * RFC 8785 canonical JSON: keys in the order of their UTF-16 code units, text and numbers as ECMAScript writes them.
 * What JSON would change on the way (it drops `undefined`, rounds 2^53+1 and turns −0 into 0) is refused, so that two
 * different values never get the same text.
 *
 * @throws {@link NotCanonicalError} for undefined, functions, class instances, NaN, infinities, unsafe
 *   integers, lone surrogates and the key `__proto__`, naming the place.
 */
export function canonicalJson(value: unknown): string {
  try {
    return textOf(value);
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    throw new NotCanonicalError(
      `The value at ${error.path === "" ? "the top" : error.path} is ${error.what}, which cannot be recorded. Use plain JSON: text, finite numbers, booleans, null, arrays and objects.`,
      { details: { path: error.path } },
    );
  }
}

function textOf(value: unknown): string {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw new Unfit("a string with half of a surrogate pair");
      return JSON.stringify(value);
    case "number":
      return textOfNumber(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? textOfArray(value) : textOfObject(value);
    default:
      throw new Unfit(value === undefined ? "undefined" : `a ${typeof value}`);
  }
}

function textOfNumber(value: number): string {
  if (!Number.isFinite(value)) throw new Unfit(String(value));
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new Unfit("an integer beyond 2^53");
  if (Object.is(value, -0)) throw new Unfit("negative zero");
  return String(value);
}

function textOfArray(values: readonly unknown[]): string {
  let text = "[";
  // Not `map`, which passes over the holes of a sparse array.
  for (let i = 0; i < values.length; i++) text += (i === 0 ? "" : ",") + textAt(values[i], i);
  return `${text}]`;
}

function textOfObject(value: object): string {
  if (!isPlainObject(value)) throw new Unfit(`an instance of ${value.constructor.name}`);
  let text = "";
  for (const key of inOrder(Object.keys(value))) {
    text += (text === "" ? "" : ",") + textOfKey(key) + textAt(value[key], key);
  }
  return `{${text}}`;
}

/** The texts of keys that were met before, which are few: most are the fields of events and of somebody's types. */
const keyTexts = new Map<string, string>();
const MOST_KEY_TEXTS = 1_000;
const LONGEST_KEPT_KEY = 40;

/** A key and its colon. */
function textOfKey(key: string): string {
  const known = keyTexts.get(key);
  if (known !== undefined) return known;
  if (key === "__proto__") throw unfitAt(key, new Unfit("the key __proto__"));
  if (!key.isWellFormed()) throw new Unfit("a key with half of a surrogate pair");
  const text = `${JSON.stringify(key)}:`;
  if (keyTexts.size < MOST_KEY_TEXTS && key.length <= LONGEST_KEPT_KEY) keyTexts.set(key, text);
  return text;
}

function textAt(value: unknown, key: string | number): string {
  try {
    return textOf(value);
  } catch (error) {
    throw unfitAt(key, error);
  }
}

/** Most objects have their keys in order already. */
function inOrder(keys: string[]): string[] {
  for (let i = 1; i < keys.length; i++) if ((keys[i - 1] ?? "") > (keys[i] ?? "")) return keys.sort();
  return keys;
}

/** SHA-256 as lower-case hex. Text is hashed as UTF-8. */
export function sha256(data: string | Uint8Array): string {
  return hash("sha256", data, "hex");
}
