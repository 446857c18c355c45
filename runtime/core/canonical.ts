import { hash } from "node:crypto";
import canonicalize from "canonicalize";
import { SignalboxError } from "./errors.ts";
import { isPlainObject, type JsonValue } from "./json.ts";

/** A value cannot be written as canonical JSON, so it cannot be hashed, judged or recorded. */
export class NotCanonicalError extends SignalboxError {
  static override readonly code = "NOT_CANONICAL";
}

const serialise = canonicalize as unknown as (value: unknown) => string;

/**
 * RFC 8785 canonical JSON. The serialiser itself is lenient (it drops `undefined`, rounds 2^53+1 and
 * turns −0 into 0), so values are checked first: two different values never get the same text.
 *
 * @throws {@link NotCanonicalError} for undefined, functions, class instances, NaN, infinities, unsafe
 *   integers, lone surrogates and the key `__proto__`, naming the place.
 */
export function canonicalJson(value: unknown): string {
  assertJson(value, "");
  return serialise(value);
}

/** Asserts that a value is plain JSON that survives the canonical form unchanged. */
export function assertJson(value: unknown, path: string): asserts value is JsonValue {
  switch (typeof value) {
    case "boolean":
      return;
    case "string":
      if (!value.isWellFormed()) throw refuse(path, "a string with half of a surrogate pair");
      return;
    case "number":
      if (!Number.isFinite(value)) throw refuse(path, String(value));
      if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw refuse(path, "an integer beyond 2^53");
      if (Object.is(value, -0)) throw refuse(path, "negative zero");
      return;
    case "object":
      break;
    default:
      throw refuse(path, typeof value === "undefined" ? "undefined" : `a ${typeof value}`);
  }
  if (value === null) return;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) assertJson(value[i], `${path}/${String(i)}`);
    return;
  }
  if (!isPlainObject(value)) throw refuse(path, `an instance of ${value.constructor.name}`);
  for (const key of Object.keys(value)) {
    if (key === "__proto__") throw refuse(`${path}/${key}`, "the key __proto__");
    if (!key.isWellFormed()) throw refuse(path, "a key with half of a surrogate pair");
    assertJson(value[key], `${path}/${key}`);
  }
}

function refuse(path: string, what: string): NotCanonicalError {
  return new NotCanonicalError(
    `The value at ${path === "" ? "the top" : path} is ${what}, which cannot be recorded. Use plain JSON: text, finite numbers, booleans, null, arrays and objects.`,
    { details: { path } },
  );
}

/** SHA-256 as lower-case hex. Text is hashed as UTF-8. */
export function sha256(data: string | Uint8Array): string {
  return hash("sha256", data);
}
