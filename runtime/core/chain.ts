import { hash } from "node:crypto";

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

/** An event whose payload may be there as it came from the database: the text in UTF-8. */
export type ChainedEvent = Omit<StoredEvent, "data"> & { readonly data: string | Uint8Array | null };

/** SHA-256 over salt ‖ text, as hex. Without a salt, over the text alone. @param data the text, or it in UTF-8 */
export function payloadHash(data: string | Uint8Array, salt: Uint8Array | null): string {
  if (!salt) return hash("sha256", data);
  return hash("sha256", Buffer.concat([salt, typeof data === "string" ? Buffer.from(data) : data]));
}

/**
 * The hash of an event: SHA-256 over eight lines. Every field before the last is free of line breaks, so
 * no two events have the same lines. `prev` and the result are lower-case hex.
 */
export function eventHash(
  event: Pick<StoredEvent, "run" | "seq" | "type" | "v" | "at">,
  prev: string,
  payload: string,
): string {
  const { run, seq, type, v, at } = event;
  const place = `${run}\n${String(seq)}\n${type}\n${String(v)}\n${String(at)}`;
  return hash("sha256", `signalbox-event-1\n${place}\n${prev}\n${payload}`);
}

export type ChainFault = "missing" | "out_of_order" | "altered" | "payload_missing" | "head_mismatch";

/** Recomputes a run's chain event by event, from its start or from an event whose place and hash are given. */
export class ChainCheck {
  #seq: number;
  #prev: string;

  constructor(after: { readonly seq: number; readonly hash: string } = { seq: 0, hash: GENESIS }) {
    this.#seq = after.seq;
    this.#prev = after.hash;
  }

  /** The place of the event that was checked last. */
  get seq(): number {
    return this.#seq;
  }

  /**
   * @returns what is wrong with the event at {@link ChainCheck.seq}, or null. After a fault nothing more can be said of
   *   the run.
   */
  add(event: ChainedEvent): ChainFault | null {
    this.#seq++;
    if (event.seq !== this.#seq) return event.seq > this.#seq ? "missing" : "out_of_order";
    const payload = event.data === null ? event.payloadHash : payloadHash(event.data, event.salt);
    if (payload === null) return "payload_missing";
    if (eventHash(event, this.#prev, payload) !== event.hash) return "altered";
    this.#prev = event.hash;
    return null;
  }

  /** @returns what is wrong with where the chain ends, or null. */
  end(head: { readonly seq: number; readonly hash: string }): ChainFault | null {
    if (this.#seq < head.seq) {
      this.#seq++;
      return "missing";
    }
    return this.#seq > head.seq || this.#prev !== head.hash ? "head_mismatch" : null;
  }
}

/**
 * Recomputes a run's chain: all of it, or what comes after an event whose place and hash are given.
 *
 * @returns the first event that is not what was recorded, or null.
 */
export function verifyChain(
  events: Iterable<StoredEvent>,
  head: { readonly seq: number; readonly hash: string },
  after?: { readonly seq: number; readonly hash: string },
): { readonly seq: number; readonly fault: ChainFault } | null {
  const check = new ChainCheck(after);
  for (const event of events) {
    const fault = check.add(event);
    if (fault) return { seq: check.seq, fault };
  }
  const fault = check.end(head);
  return fault && { seq: check.seq, fault };
}
