import type { Logger } from "pino";
import type { Principal } from "../../../runtime/core/people.ts";
import { Refresher } from "./refresher.ts";
import type { Feed, Subscriber } from "./subscriber.ts";

/** One entry of a list as subscribers get it: what stands in the message beside its type and id. */
export interface ListNews {
  readonly type: "session" | "approval" | "question";
  /** The entry as JSON. */
  readonly text: string;
}

/** What a list holds now, and what of it is new since the reading before. */
export interface Reading {
  /** What a reader who has got nothing yet is sent. */
  all(reader: Principal): Promise<readonly ListNews[]>;
  /** What has changed for a reader who has all that there was. */
  changed(reader: Principal): Promise<readonly ListNews[]>;
  /** Everybody has been told: the next reading starts from here. */
  told(): void;
}

/** Where a list comes from. */
export interface ListSource {
  /**
   * Reads what all subscribers have in common, once for all of them.
   *
   * @param hints entries that were said to have moved; `look` asks to find out by itself
   */
  read(hints: { readonly moved: readonly string[]; readonly look: boolean }): Promise<Reading>;
}

/**
 * Keeps a list current for whoever watches it. An entry replaces the one before it, so one too many
 * does no harm. A new subscriber first gets everything; one that is behind is told to load the view
 * again. A list is read at most every `gapMs`, whatever the number of notices and subscribers.
 */
export class ListFeed implements Feed {
  readonly #source: ListSource;
  readonly #log: Logger;
  readonly #refresher: Refresher;
  readonly #members = new Set<Subscriber>();
  readonly #fresh = new Set<Subscriber>();
  readonly #moved = new Set<string>();
  #look = false;

  constructor(source: ListSource, options: { readonly log: Logger; readonly gapMs: number }) {
    this.#source = source;
    this.#log = options.log;
    this.#refresher = new Refresher(() => this.#refresh(), options.gapMs);
  }

  get empty(): boolean {
    return this.#members.size === 0 && this.#fresh.size === 0;
  }

  add(subscriber: Subscriber): void {
    this.#fresh.add(subscriber);
    this.poll();
  }

  remove(subscriber: Subscriber): void {
    this.#members.delete(subscriber);
    this.#fresh.delete(subscriber);
  }

  /** This entry has moved: read it. */
  notice(entry: string): void {
    if (this.empty) return;
    this.#moved.add(entry);
    this.#refresher.request();
  }

  /** Something moved somewhere, or just the time: look. */
  poll(): void {
    if (this.empty) return;
    this.#look = true;
    this.#refresher.request();
  }

  close(): void {
    this.#refresher.close();
  }

  async #refresh(): Promise<void> {
    const moved = [...this.#moved];
    // Whoever is new gets everything, so everything has to be read.
    const look = this.#look || this.#fresh.size > 0;
    this.#moved.clear();
    this.#look = false;
    const listening = [...this.#members, ...this.#fresh];
    try {
      const reading = await this.#source.read({ moved, look });
      for (const [reader, subscribers] of byReader(listening)) {
        // Who they are is settled first: somebody may come meanwhile.
        const fresh = subscribers.filter((subscriber) => this.#fresh.has(subscriber));
        const rest = subscribers.filter((subscriber) => !fresh.includes(subscriber));
        const all = fresh.length > 0 ? await reading.all(reader) : [];
        for (const subscriber of fresh) {
          // It may have unsubscribed while this was read.
          if (this.#fresh.delete(subscriber)) this.#members.add(subscriber);
          this.#tell(subscriber, all);
        }
        const changed = rest.length > 0 ? await reading.changed(reader) : [];
        for (const subscriber of rest) this.#tell(subscriber, changed);
      }
      reading.told();
    } catch (error) {
      for (const entry of moved) this.#moved.add(entry);
      this.#look ||= look;
      this.#log.warn({ err: error }, "a list could not be read for the live socket");
    }
  }

  #tell(subscriber: Subscriber, entries: readonly ListNews[]): void {
    if (!this.#members.has(subscriber)) return;
    const { connection, id } = subscriber;
    if (entries.length > 0 && connection.behind) {
      subscriber.drop("behind");
      return;
    }
    for (const { type, text } of entries) {
      connection.sendText(`{"type":"${type}","id":${JSON.stringify(id)},"${type}":${text}}`);
    }
  }
}

/** Groups subscribers to whom a list looks the same. */
function byReader(subscribers: readonly Subscriber[]): Iterable<readonly [Principal, readonly Subscriber[]]> {
  const groups = new Map<string, [Principal, Subscriber[]]>();
  for (const subscriber of subscribers) {
    const { principal } = subscriber.connection;
    const key = JSON.stringify([principal.name, principal.kind, principal.roles, principal.pools]);
    const group = groups.get(key);
    if (group) group[1].push(subscriber);
    else groups.set(key, [principal, [subscriber]]);
  }
  return groups.values();
}
