import { randomUUID } from "node:crypto";
import { sha256 } from "./canonical.ts";

/** Where new ids come from. Tests pass their own; production passes {@link randomIds}. */
export interface Ids {
  /** A UUID that no other call has given. */
  next(): string;
}

export const randomIds: Ids = { next: () => randomUUID() };

/**
 * Ids of which one of a later millisecond sorts after one of an earlier: UUIDs of version 7. What is keyed with them is
 * added at the end of its index, whose pages are full then, and not half full.
 */
export const timeOrderedIds: Ids = { next: () => timeOrderedId(Date.now(), randomUUID()) };

/**
 * Source: RFC 9562, 5.7. All that is not the time is random.
 *
 * @param ms since the epoch
 * @param random a UUID of version 4
 */
export function timeOrderedId(ms: number, random: string): string {
  const time = ms.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}

/** A UUID that is a function of its parts: the same on every attempt and every machine. */
export function derivedUuid(...parts: readonly string[]): string {
  const hex = sha256(`signalbox-id\n${parts.join("\n")}`);
  // Version 8 (free form) and the RFC 9562 variant, so that Postgres and people see a valid UUID.
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
