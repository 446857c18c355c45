import type { JsonValue } from "../../../runtime/core/json.ts";

/**
 * What JSON lacks is recorded as an object with a `$type`. The simple ones as one plain value, for
 * people; everything else stays as it was recorded.
 */
export function untagged(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null || !("$type" in value)) return value;
  const { $type: type, value: inner } = value;
  switch (type) {
    case "date":
    case "bigint":
    case "number":
    case "url":
      return typeof inner === "string" ? inner : value;
    case "set":
      return Array.isArray(inner) ? (inner as readonly JsonValue[]) : value;
    case "object":
      return Array.isArray(inner) && inner.every(isEntry) ? Object.fromEntries(inner) : value;
    default:
      return value;
  }
}

function isEntry(pair: unknown): pair is [string, JsonValue] {
  return Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string";
}
