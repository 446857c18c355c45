import type { Clock } from "../core/clock.ts";
import type { Database } from "../core/database.ts";
import { NOW } from "./sql.ts";

/** How often the two clocks are compared again: they drift apart by milliseconds an hour, and a server's is set at times. */
const COMPARE_MS = 60_000;

/**
 * The database's time, carried on by this process's monotonic clock. What several workers compare (when a call
 * began, when a wait is over) has to be one clock's time; and setting the clock of a worker's machine changes nothing.
 */
export class DatabaseClock implements Clock, Disposable {
  readonly #database: Database;
  readonly #clock: Clock;
  #aheadMs = 0;
  #timer: NodeJS.Timeout | null = null;

  private constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** @throws `DatabaseUnavailableError` if the time cannot be asked for. */
  static async start(database: Database, clock: Clock): Promise<DatabaseClock> {
    const started = new DatabaseClock(database, clock);
    await started.#compare();
    started.#timer = setInterval(() => {
      // Out of reach: what was last compared is good enough until it is back.
      started.#compare().catch(() => undefined);
    }, COMPARE_MS).unref();
    return started;
  }

  now(): number {
    return this.#clock.monotonicMs() + this.#aheadMs;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  async #compare(): Promise<void> {
    const askedMs = this.#clock.monotonicMs();
    const [row] = await this.#database.query<{ now: number }>(NOW);
    // It was read at some moment between the question and the answer.
    if (row) this.#aheadMs = row.now - (askedMs + this.#clock.monotonicMs()) / 2;
  }

  [Symbol.dispose](): void {
    if (this.#timer) clearInterval(this.#timer);
  }
}
