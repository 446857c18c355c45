import type { JsonValue } from "../../../runtime/core/json.ts";

/** A time with its date, as programs write it; what a date alone says needs no help. */
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})$/;
/** Names of fields that hold a time. */
const TIME_NAME = /(?:At|On|Time|Date|Until|Since|Ms)$|^(?:at|time|date|until|since)$/;
/** Milliseconds since the epoch from 2001 to 2065: other numbers are no times that anybody records. */
const FIRST_MS = 1e12;
const LAST_MS = 3e12;

const FORMAT = new Intl.DateTimeFormat("en-GB", {
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
});

/**
 * Times are recorded as `2026-11-24T08:30:00Z` or as milliseconds. This gives the same time as people
 * write it, in the reader's time zone, to be shown beside the recorded value, never instead of it.
 * Undefined if the field is no such time.
 */
export function readableTime(key: string, value: JsonValue): string | undefined {
  if (typeof value === "string") return ISO_TIME.test(value) ? format(Date.parse(value)) : undefined;
  if (typeof value !== "number" || !TIME_NAME.test(key)) return undefined;
  return value >= FIRST_MS && value <= LAST_MS && Number.isInteger(value) ? format(value) : undefined;
}

function format(ms: number): string | undefined {
  return Number.isNaN(ms) ? undefined : FORMAT.format(ms);
}
