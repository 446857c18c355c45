import type { Clock } from "../core/clock.ts";
import type { Claim } from "../core/journal.ts";

/** The lease that an attempt works under: how long it surely lasts, and what time it is where it was granted. */
export class HeldLease {
  readonly #clock: Clock;
  readonly #claimedAt: Claim["claimedAt"];
  #deadlineMs: number;

  constructor({ claimedAt, deadlineMs }: Claim, clock: Clock) {
    this.#clock = clock;
    this.#claimedAt = claimedAt;
    this.#deadlineMs = deadlineMs;
  }

  /** When it was granted: milliseconds since the epoch by the database's clock. */
  get grantedAt(): number {
    return this.#claimedAt.epochMs;
  }

  /**
   * Milliseconds since the epoch by the database's clock, as it was when the lease was granted and has gone on since:
   * all workers agree on it, whatever their own clocks say.
   */
  now(): number {
    return this.#claimedAt.epochMs + this.#clock.monotonicMs() - this.#claimedAt.monotonicMs;
  }

  /** It was renewed. */
  extend(deadlineMs: number): void {
    this.#deadlineMs = Math.max(this.#deadlineMs, deadlineMs);
  }

  /** True once another worker may have the run. */
  mayHaveRunOut(): boolean {
    return this.#clock.monotonicMs() >= this.#deadlineMs;
  }
}
