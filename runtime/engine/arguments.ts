import type { z } from "zod";
import { canonicalJson, NotCanonicalError } from "../core/canonical.ts";
import { isPlainObject, type JsonValue } from "../core/json.ts";
import { InvalidArgumentsError } from "./errors.ts";

/** Checked against the schema, then plain JSON: nothing else is judged, hashed or recorded. */
export function parse(schema: z.ZodType, input: unknown, name: string): JsonValue {
  const parsed = schema.safeParse(input);
  if (parsed.success) return plain(parsed.data, name);
  throw new InvalidArgumentsError(
    `The arguments for ${name} do not fit its input schema: ${issues(parsed.error)}. Nothing was called.`,
    { details: { name } },
  );
}

/** @throws {@link InvalidArgumentsError} for what is not plain JSON. */
export function plain(value: unknown, name: string): JsonValue {
  try {
    return JSON.parse(canonicalJson(withoutUndefined(value))) as JsonValue;
  } catch (error) {
    const why =
      error instanceof NotCanonicalError ? error.message : "They contain themselves, or are nested too deeply.";
    throw new InvalidArgumentsError(`The arguments for ${name} cannot be recorded. ${why} Nothing was called.`, {
      details: { name },
      cause: error,
    });
  }
}

/** An absent optional is an absent key, as in JSON. Anywhere else, undefined is refused by the canonical form. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (!isPlainObject(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    if (key === "__proto__") return value;
    if (value[key] !== undefined) kept[key] = withoutUndefined(value[key]);
  }
  return kept;
}

/** The first things that are wrong, in one line. */
export function issues(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map((issue) => (issue.path.length === 0 ? issue.message : `${issue.path.map(String).join(".")}: ${issue.message}`))
    .join("; ");
}
