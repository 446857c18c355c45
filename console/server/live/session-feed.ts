import type { Logger } from "pino";
import type { ModelWords } from "../../../runtime/core/protocol.ts";
import type { ConsoleServices, SessionDelta } from "../../../runtime/core/console-services.ts";
import { NotFoundError } from "../../../runtime/core/errors.ts";
import type { Cursor, JournalEvent } from "../../../runtime/core/events.ts";
import type { Feed, Subscriber } from "./subscriber.ts";

export interface SessionFeedOptions {
  readonly session: string;
  readonly services: Pick<ConsoleServices, "eventsAfter">;
  readonly log: Logger;
  /** At most so many events are read and sent at a time. */
  readonly pageEvents: number;
}

/** Subscribers that have got equally far: one read serves them all. */
interface Group {
  readonly cursor: Cursor;
  readonly members: Map<Subscriber, { greeted: boolean }>;
  reading: boolean;
  /** Something moved while a read was under way. */
  again: boolean;
}

/**
 * Sends the events of one session to whoever watches it: each subscriber gets exactly what follows its
 * cursor, in each run's order, nothing left out and nothing twice.
 *
 * A notice never carries events; it only makes the feed read. So lost, doubled and reordered notices
 * change nothing. Subscribers with the same cursor form a group and share one read and one serialised
 * message; there is never more than one read under way for a cursor. A client that falls behind leaves
 * its group, keeping its cursor, and joins again when it has caught up: it slows nobody else.
 */
export class SessionFeed implements Feed {
  readonly #options: SessionFeedOptions;
  readonly #groups = new Map<string, Group>();
  /** Those that are behind. */
  readonly #waiting = new Set<Subscriber>();

  constructor(options: SessionFeedOptions) {
    this.#options = options;
  }

  get empty(): boolean {
    return this.#groups.size === 0 && this.#waiting.size === 0;
  }

  add(subscriber: Subscriber, have: Cursor): void {
    this.#trigger(this.#join(subscriber, have, false));
  }

  remove(subscriber: Subscriber): void {
    this.#waiting.delete(subscriber);
    for (const [key, group] of this.#groups) {
      group.members.delete(subscriber);
      if (group.members.size === 0) this.#groups.delete(key);
    }
  }

  /** Runs of the session are said to reach these sequence numbers now. */
  notice(heads: Readonly<Record<string, number>>): void {
    for (const group of this.#groups.values()) {
      const known = Object.entries(heads).every(([run, seq]) => (group.cursor[run] ?? 0) >= seq);
      if (!known) this.#trigger(group);
    }
  }

  /** Passes on what a model says, to those who have nothing else to read. */
  tokens({ run, effect, node, name, offset, text, done }: ModelWords): void {
    const words: ModelWords = { run, effect, node, name, offset, text, ...(done ? { done } : {}) };
    const rest = JSON.stringify(words).slice(1);
    for (const group of this.#groups.values()) {
      for (const { connection, id } of group.members.keys()) {
        if (!connection.busy) connection.sendText(`{"type":"tokens","id":${JSON.stringify(id)},${rest}`);
      }
    }
  }

  poll(): void {
    for (const group of this.#groups.values()) this.#trigger(group);
  }

  #join(subscriber: Subscriber, cursor: Cursor, greeted: boolean): Group {
    const key = cursorKey(cursor);
    let group = this.#groups.get(key);
    if (!group) {
      group = { cursor, members: new Map(), reading: false, again: false };
      this.#groups.set(key, group);
    }
    group.members.set(subscriber, { greeted });
    return group;
  }

  #trigger(group: Group): void {
    if (group.reading) {
      group.again = true;
      return;
    }
    group.reading = true;
    void this.#read(group);
  }

  async #read(group: Group): Promise<void> {
    const { session, services, log, pageEvents } = this.#options;
    let delta: SessionDelta;
    try {
      delta = await services.eventsAfter(session, group.cursor, pageEvents);
    } catch (error) {
      group.reading = false;
      if (error instanceof NotFoundError) this.#dropAll(group, "not_found");
      // Out of reach: everybody keeps their cursor, and the next poll reads again.
      else log.warn({ err: error, session }, "a session could not be read for the live socket");
      return;
    }
    const step = follow(group.cursor, delta);
    if (typeof step === "string") {
      this.#dropAll(group, step);
      return;
    }
    this.#deliver(group, step, delta);
  }

  #deliver(group: Group, step: Step, delta: SessionDelta): void {
    this.#forget(group);
    const { session, runs } = delta;
    const rest = JSON.stringify({ events: step.events, session, runs }).slice(1);
    let next: Group | undefined;
    for (const [subscriber, { greeted }] of group.members) {
      const { connection, id } = subscriber;
      if (step.events.length > 0 || !greeted) {
        connection.sendText(`{"type":"events","id":${JSON.stringify(id)},${rest}`);
      }
      if (connection.behind) this.#wait(subscriber, step.cursor);
      else next = this.#join(subscriber, step.cursor, true);
    }
    const unfinished = delta.more && step.events.length > 0;
    if (next && (unfinished || group.again)) this.#trigger(next);
  }

  #wait(subscriber: Subscriber, cursor: Cursor): void {
    this.#waiting.add(subscriber);
    subscriber.connection.onceCaughtUp(() => {
      if (!this.#waiting.delete(subscriber)) return;
      this.#trigger(this.#join(subscriber, cursor, true));
    });
  }

  /** Its members may all have left meanwhile, and another group have taken its place. */
  #forget(group: Group): void {
    const key = cursorKey(group.cursor);
    if (this.#groups.get(key) === group) this.#groups.delete(key);
  }

  #dropAll(group: Group, reason: string): void {
    this.#forget(group);
    for (const subscriber of group.members.keys()) subscriber.drop(reason);
  }
}

interface Step {
  readonly events: readonly JournalEvent[];
  readonly cursor: Cursor;
}

/**
 * Checks that what was read follows the cursor: each run's events without a hole, each once.
 *
 * @returns the events to send and the cursor after them, or why the client has to load the view again
 */
export function follow(cursor: Cursor, delta: Pick<SessionDelta, "events" | "runs">): Step | string {
  const reach = new Map(delta.runs.map((run) => [run.run, run.events]));
  // The client has seen more than there is: another database, or one that was started over.
  for (const [run, seq] of Object.entries(cursor)) if (seq > (reach.get(run) ?? 0)) return "ahead_of_record";
  const next = new Map(Object.entries(cursor));
  const events: JournalEvent[] = [];
  for (const event of delta.events) {
    const at = next.get(event.run) ?? 0;
    if (event.seq <= at) continue;
    if (event.seq !== at + 1) return "hole_in_record";
    next.set(event.run, event.seq);
    events.push(event);
  }
  return { events, cursor: Object.fromEntries(next) };
}

/** Equal for equal cursors, whatever the order of their runs; a run at 0 is as good as not named. */
function cursorKey(cursor: Cursor): string {
  return Object.entries(cursor)
    .filter(([, seq]) => seq > 0)
    .map(([run, seq]) => `${run}:${String(seq)}`)
    .sort()
    .join(" ");
}
