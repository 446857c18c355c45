import type { Clock } from "../../runtime/core/clock.ts";
import { TooManySignInsError } from "./errors.ts";

export interface SignInLimits {
  /** Tries a minute from one address for one name. Default 10. */
  readonly perName: number;
  /** Tries a minute from one address for all names together. Default 60. */
  readonly perAddress: number;
}

export const DEFAULT_SIGN_IN_LIMITS: SignInLimits = { perName: 10, perAddress: 60 };

const WINDOW_MS = 60_000;
interface Window {
  count: number;
  readonly endsAtMs: number;
}

/**
 * Slows down sign-ins before any password is hashed: it saves the processor. Kept in memory, a process
 * by itself; the lockout that counts wrong passwords is in the database.
 */
export class SignInLimiter {
  readonly #windows = new Map<string, Window>();
  readonly #clock: Clock;
  readonly #limits: SignInLimits;
  #sweepAtMs = 0;

  constructor(clock: Clock, limits: SignInLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** How many addresses and names it remembers now. */
  get size(): number {
    return this.#windows.size;
  }

  /** Counts one try. @throws TooManySignInsError with `details.retryAfterS` */
  count(address: string, name: string): void {
    this.#take(`a ${address}`, this.#limits.perAddress);
    this.#take(`n ${address} ${name.trim().toLowerCase()}`, this.#limits.perName);
  }

  #take(key: string, limit: number): void {
    const now = this.#clock.monotonicMs();
    let window = this.#windows.get(key);
    if (!window || window.endsAtMs <= now) {
      this.#sweep(now);
      window = { count: 0, endsAtMs: now + WINDOW_MS };
      this.#windows.set(key, window);
    }
    window.count += 1;
    if (window.count <= limit) return;
    const retryAfterS = Math.max(1, Math.ceil((window.endsAtMs - now) / 1000));
    throw new TooManySignInsError(`Sign-ins are tried too fast. Wait ${String(retryAfterS)} s and try again.`, {
      details: { retryAfterS },
    });
  }

  /** Forgets windows that are over. Once a minute at most: it looks at all of them. */
  #sweep(now: number): void {
    if (now < this.#sweepAtMs) return;
    this.#sweepAtMs = now + WINDOW_MS;
    for (const [key, window] of this.#windows) if (window.endsAtMs <= now) this.#windows.delete(key);
  }
}
