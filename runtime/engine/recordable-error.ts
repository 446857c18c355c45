import { canonicalJson } from "../core/canonical.ts";
import { toErrorRecord, type ErrorRecord } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";

/**
 * The form in which anything that was thrown can be recorded and hashed, whatever it is: an error with half
 * a surrogate pair in its message, details that are not JSON, a message that is no text, a proxy that throws.
 */
export function recordableError(thrown: unknown): ErrorRecord {
  try {
    const { name, message, code, details } = toErrorRecord(thrown);
    return {
      name: text(name),
      message: text(message),
      ...(code === undefined ? {} : { code: text(code) }),
      ...(details !== undefined && isRecordable(details) ? { details } : {}),
    };
  } catch {
    return { name: "Error", message: "Something was thrown that cannot be read." };
  }
}

function text(value: unknown): string {
  return (typeof value === "string" ? value : String(value)).toWellFormed();
}

function isRecordable(details: Readonly<Record<string, JsonValue>>): boolean {
  try {
    canonicalJson(details);
    return true;
  } catch {
    return false;
  }
}
