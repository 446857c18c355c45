import { createHash } from "node:crypto";
import { sha256 } from "./canonical.ts";
import type { JournalEvent } from "./events.ts";

/** What the first event of every run has in the place of a previous hash. */
export const GENESIS = "0".repeat(64);

/** An event as it is stored: the payload as the exact text that was hashed. */
export interface StoredEvent {
  readonly run: string;
  readonly seq: number;
  readonly type: string;
  readonly v: number;
  readonly at: number;
  /** Canonical JSON; null where the payload was erased. */
  readonly data: string | null;
  readonly salt: Uint8Array | null;
  /** Stands for an erased payload. */
  readonly payloadHash: string | null;
  readonly hash: string;
}

/** SHA-256 over salt ‖ UTF-8 text, as hex. Without a salt, over the text alone. */
export function payloadHash(data: string, salt: Uint8Array | null): string {
  return salt ? createHash("sha256").update(salt).update(data).digest("hex") : sha256(data);
}

/**
 * The hash of an event: SHA-256 over eight lines. Every field before the last is free of line breaks, so
 * no two events have the same lines. `prev` and the result are lower-case hex.
 */
export function eventHash(
  event: Pick<JournalEvent, "run" | "seq" | "type" | "v" | "at">,
  prev: string,
  payload: string,
): string {
  return sha256(
    `signalbox-event-1\n${event.run}\n${String(event.seq)}\n${event.type}\n${String(event.v)}\n${String(event.at)}\n${prev}\n${payload}`,
  );
}

export type ChainFault = "missing" | "out_of_order" | "altered" | "payload_missing" | "head_mismatch";

/**
 * Recomputes a run's chain, event by event: all of it, or what comes after an event whose place and hash are given.
 *
 * @returns the first event that is not what was recorded, or null.
 */
export function verifyChain(
  events: Iterable<StoredEvent>,
  head: { readonly seq: number; readonly hash: string },
  after: { readonly seq: number; readonly hash: string } = { seq: 0, hash: GENESIS },
): { readonly seq: number; readonly fault: ChainFault } | null {
  let prev = after.hash;
  let { seq } = after;
  for (const event of events) {
    seq++;
    if (event.seq !== seq) return { seq, fault: event.seq > seq ? "missing" : "out_of_order" };
    const payload = event.data === null ? event.payloadHash : payloadHash(event.data, event.salt);
    if (payload === null) return { seq, fault: "payload_missing" };
    if (eventHash(event as Pick<JournalEvent, "run" | "seq" | "type" | "v" | "at">, prev, payload) !== event.hash) {
      return { seq, fault: "altered" };
    }
    prev = event.hash;
  }
  if (seq < head.seq) return { seq: seq + 1, fault: "missing" };
  if (seq > head.seq || prev !== head.hash) return { seq, fault: "head_mismatch" };
  return null;
}
