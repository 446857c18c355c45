import type { JsonValue } from "../../../runtime/core/json.ts";
import { cutText, visibleString } from "./visible-text.ts";

/** A value on one line, for lists: the first fields of an object, cut off after `length` characters. */
export function summary(value: JsonValue, length = 160): string {
  const text = outline(value, length, 0);
  return text.length <= length ? text : `${cutText(text, length - 1)}…`;
}

function outline(value: JsonValue, room: number, depth: number): string {
  if (typeof value === "string") {
    const shown = visibleString(cutText(value, room)).replaceAll(/\s+/gu, " ");
    return depth === 0 ? shown : `"${shown}"`;
  }
  if (typeof value !== "object" || value === null) return String(value);
  if (depth > 2) return Array.isArray(value) ? "[…]" : "{…}";
  const parts: string[] = [];
  let used = 0;
  // Stops as soon as the line is full: a value may have ten thousand fields.
  for (const part of fields(value, room, depth)) {
    parts.push(part);
    used += part.length + 2;
    if (used > room) break;
  }
  if (Array.isArray(value)) return `[${parts.join(", ")}]`;
  return depth === 0 ? parts.join(", ") : `{${parts.join(", ")}}`;
}

function* fields(value: object, room: number, depth: number): Generator<string> {
  if (Array.isArray(value)) {
    for (const item of value) yield outline(item as JsonValue, room, depth + 1);
    return;
  }
  for (const key in value) {
    const field = (value as Readonly<Record<string, JsonValue>>)[key];
    if (field !== undefined) yield `${visibleString(key)}: ${outline(field, room, depth + 1)}`;
  }
}
