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

/** SHA-256 over salt ‖ UTF-8 text, as hex. Without a salt, over the text alone. */
export function payloadHash(data: string, salt: Uint8Array | null): string {
  return hash("sha256", salt ? Buffer.concat([salt, Buffer.from(data)]) : data);
}

/** What an event is without its payload: five of the lines that are hashed, none of which holds a line break. */
export function eventLines(event: Pick<StoredEvent, "run" | "seq" | "type" | "v" | "at">): string {
  return `${event.run}\n${String(event.seq)}\n${event.type}\n${String(event.v)}\n${String(event.at)}`;
}

/**
 * The hash of an event: SHA-256 over eight lines. Every field before the last is free of line breaks, so
 * no two events have the same lines. `prev` and the result are lower-case hex.
 *
 * @param event the event, or its {@link eventLines}
 */
export function eventHash(
  event: string | Pick<StoredEvent, "run" | "seq" | "type" | "v" | "at">,
  prev: string,
  payload: string,
): string {
  const lines = typeof event === "string" ? event : eventLines(event);
  return hash("sha256", `signalbox-event-1\n${lines}\n${prev}\n${payload}`);
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
   * @param lines its {@link eventLines}
   * @returns what is wrong with the event at {@link ChainCheck.seq}, or null. After a fault nothing more can be said of
   *   the run.
   */
  add(
    seq: number,
    lines: string,
    event: Pick<StoredEvent, "data" | "salt" | "payloadHash" | "hash">,
  ): ChainFault | null {
    this.#seq++;
    if (seq !== this.#seq) return seq > this.#seq ? "missing" : "out_of_order";
    const payload = event.data === null ? event.payloadHash : payloadHash(event.data, event.salt);
    if (payload === null) return "payload_missing";
    if (eventHash(lines, this.#prev, payload) !== event.hash) return "altered";
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
    const fault = check.add(event.seq, eventLines(event), event);
    if (fault) return { seq: check.seq, fault };
  }
  const fault = check.end(head);
  return fault && { seq: check.seq, fault };
}
