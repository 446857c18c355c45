import { eventHash, GENESIS, payloadHash } from "../../../runtime/core/chain.ts";
import {
  EVENT_VERSION,
  type EventData,
  type EventType,
  type RunStatus,
  type Wait,
} from "../../../runtime/core/events.ts";
import type { Actor } from "../../../runtime/core/people.ts";
import { storedPayload } from "../../../runtime/journal/payload.ts";
import type { Tables } from "./tables.ts";

/** Where an event stands, for those that point at it. */
export interface Place {
  readonly run: string;
  readonly seq: number;
  readonly hash: string;
}

/** A run of the past: its events are chained as the journal chains them. */
export class RunRecord {
  readonly run: string;
  readonly session: string;
  readonly agent: string;
  readonly parent: string | null;
  readonly startedBy: Actor;
  readonly startedAt: number;
  status: RunStatus = "running";
  waits: readonly Wait[] = [];
  wakeAt: number | null = null;
  /** Milliseconds since the epoch, of its last event. */
  at: number;
  readonly #tables: Tables;
  readonly #key: string | null;
  #seq = 0;
  #hash = GENESIS;

  constructor(
    tables: Tables,
    of: Pick<RunRecord, "run" | "session" | "agent" | "parent" | "startedBy" | "startedAt"> & {
      readonly key: string | null;
    },
  ) {
    this.#tables = tables;
    this.run = of.run;
    this.session = of.session;
    this.agent = of.agent;
    this.parent = of.parent;
    this.startedBy = of.startedBy;
    this.startedAt = of.startedAt;
    this.at = of.startedAt;
    this.#key = of.key;
  }

  get events(): number {
    return this.#seq;
  }

  /** @param afterMs how long after the event before it */
  add<T extends EventType>(type: T, data: EventData<T>, afterMs = 7): Place {
    this.#seq++;
    this.at += afterMs;
    const { text, blob } = storedPayload(data);
    if (blob) this.#tables.blobs.add(Buffer.from(blob.hash, "hex"), blob.text);
    const event = { run: this.run, seq: this.#seq, type, v: EVENT_VERSION, at: this.at };
    this.#hash = eventHash(event, this.#hash, payloadHash(text, null));
    const { events } = this.#tables;
    events.add(this.run, this.#seq, type, EVENT_VERSION, this.at, text, Buffer.from(this.#hash, "hex"));
    return { run: this.run, seq: this.#seq, hash: this.#hash };
  }

  /** Its row, once all of its events are there. */
  end(version: string): void {
    const { status, startedBy } = this;
    const ended = ["finished", "failed", "cancelled"].includes(status);
    this.#tables.runs.add(
      ...[this.run, this.session, this.parent, this.agent, version, this.#key, startedBy.kind, startedBy.id],
      ...[this.parent === null ? 0 : 1, status, 1, this.#seq, Buffer.from(this.#hash, "hex")],
      status === "running" ? "worker-1" : null,
      // Nobody is to take over what is under way here.
      status === "running" ? new Date(Date.now() + DAY_MS) : null,
      new Date(this.at),
      this.wakeAt === null ? null : new Date(this.wakeAt),
      JSON.stringify(this.waits),
      this.startedAt,
      ended ? this.at : null,
      status === "quarantined" ? 3 : 0,
    );
  }
}

export const DAY_MS = 86_400_000;
