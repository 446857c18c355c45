import type { Logger } from "pino";
import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import type { SessionSummary } from "../../../runtime/core/protocol.ts";
import { Refresher } from "./refresher.ts";
import type { Feed, Subscriber } from "./subscriber.ts";

export interface SessionsFeedOptions {
  readonly services: Pick<ConsoleServices, "recentSessions" | "sessionSummaries">;
  readonly log: Logger;
  readonly gapMs: number;
}

/** So many sessions are sent to a new subscriber and compared at each poll. */
const RECENT = 200;
/** So many sent summaries are remembered, to leave out what has not changed. */
const REMEMBERED = 2000;

/**
 * Sends the summaries of sessions that are new or have changed. A summary replaces the one before it,
 * so one too many does no harm. A new subscriber first gets the recent ones; one that is behind is told
 * to load the view again.
 */
export class SessionsFeed implements Feed {
  readonly #options: SessionsFeedOptions;
  readonly #members = new Set<Subscriber>();
  readonly #fresh = new Set<Subscriber>();
  readonly #moved = new Set<string>();
  readonly #sent = new Map<string, string>();
  readonly #refresher: Refresher;
  #pollDue = false;

  constructor(options: SessionsFeedOptions) {
    this.#options = options;
    this.#refresher = new Refresher(() => this.#refresh(), options.gapMs);
  }

  get empty(): boolean {
    return this.#members.size === 0 && this.#fresh.size === 0;
  }

  add(subscriber: Subscriber): void {
    this.#fresh.add(subscriber);
    this.#refresher.request();
  }

  remove(subscriber: Subscriber): void {
    this.#members.delete(subscriber);
    this.#fresh.delete(subscriber);
  }

  notice(session: string): void {
    if (this.empty) return;
    this.#moved.add(session);
    this.#refresher.request();
  }

  poll(): void {
    if (this.empty) return;
    this.#pollDue = true;
    this.#refresher.request();
  }

  close(): void {
    this.#refresher.close();
  }

  async #refresh(): Promise<void> {
    const { services, log } = this.#options;
    const fresh = [...this.#fresh];
    const moved = [...this.#moved];
    const wantsRecent = this.#pollDue || fresh.length > 0;
    this.#pollDue = false;
    this.#moved.clear();
    try {
      const recent = wantsRecent ? await services.recentSessions(RECENT) : [];
      const named = moved.length > 0 ? await services.sessionSummaries(moved) : [];
      this.#broadcast([...recent, ...named]);
      for (const subscriber of fresh) this.#welcome(subscriber, recent);
    } catch (error) {
      for (const session of moved) this.#moved.add(session);
      log.warn({ err: error }, "the list of sessions could not be read for the live socket");
    }
  }

  #broadcast(sessions: readonly SessionSummary[]): void {
    const changed: string[] = [];
    for (const session of sessions) {
      const text = JSON.stringify(session);
      if (this.#sent.get(session.session) === text) continue;
      this.#remember(session.session, text);
      changed.push(text);
    }
    if (changed.length === 0) return;
    for (const subscriber of [...this.#members]) {
      if (subscriber.connection.behind) subscriber.drop("behind");
      else this.#send(subscriber, changed);
    }
  }

  #welcome(subscriber: Subscriber, recent: readonly SessionSummary[]): void {
    // It may have unsubscribed meanwhile.
    if (!this.#fresh.delete(subscriber)) return;
    this.#members.add(subscriber);
    this.#send(
      subscriber,
      recent.map((session) => JSON.stringify(session)),
    );
  }

  #send({ connection, id }: Subscriber, sessions: readonly string[]): void {
    for (const text of sessions) {
      connection.sendText(`{"type":"session","id":${JSON.stringify(id)},"session":${text}}`);
    }
  }

  #remember(session: string, text: string): void {
    this.#sent.delete(session);
    this.#sent.set(session, text);
    if (this.#sent.size <= REMEMBERED) return;
    const [oldest] = this.#sent.keys();
    if (oldest !== undefined) this.#sent.delete(oldest);
  }
}
