import { deferred, type Deferred } from "../core/deferred.ts";
import type { RunEnd } from "../core/events.ts";
import { WorkerStoppingError } from "../engine/errors.ts";

/** After how long the journal is asked first, and how much later each further time, at most. */
const FIRST_LOOK_MS = 250;
const LONGEST_LOOK_MS = 2_000;

export interface RunEndsOptions {
  /** What those of the runs that have ended did so with, from the journal. */
  readonly endsOf: (runs: readonly string[]) => Promise<readonly { readonly run: string; readonly end: RunEnd }[]>;
  /** True while the worker of this process works on the run: then it says itself when it ends. */
  readonly isHere: (run: string) => boolean;
}

/**
 * Waits for the ends of runs, on behalf of whoever has started them in this process. Those that end here are told of;
 * of those that have parked, or that another worker has, the journal is asked now and then, of all together.
 */
export class RunEnds {
  readonly #options: RunEndsOptions;
  readonly #waiting = new Map<string, Deferred<RunEnd>>();
  #timer: NodeJS.Timeout | null = null;
  #delayMs = FIRST_LOOK_MS;
  #closed = false;

  constructor(options: RunEndsOptions) {
    this.#options = options;
  }

  /** @throws {@link WorkerStoppingError} if the worker stops first */
  of(run: string): Promise<RunEnd> {
    const waiting = this.#waiting.get(run);
    if (waiting) return waiting.promise;
    const end = deferred<RunEnd>();
    // Whoever waits may have been told otherwise meanwhile, and gone.
    end.promise.catch(() => undefined);
    if (this.#closed) {
      end.reject(stopping(run));
      return end.promise;
    }
    this.#waiting.set(run, end);
    this.#delayMs = FIRST_LOOK_MS;
    this.#lookLater();
    return end.promise;
  }

  /** It has ended here, and that is on disk. */
  ended(run: string, end: RunEnd): void {
    this.#waiting.get(run)?.resolve(end);
    this.#waiting.delete(run);
  }

  /** It has no end: it was never recorded. */
  forget(run: string): void {
    this.#waiting.delete(run);
  }

  #lookLater(): void {
    if (this.#closed || this.#waiting.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#delayMs = Math.min(this.#delayMs * 2, LONGEST_LOOK_MS);
      void this.look().finally(() => {
        this.#lookLater();
      });
    }, this.#delayMs);
  }

  /** Asks the journal now. */
  async look(): Promise<void> {
    const elsewhere = [...this.#waiting.keys()].filter((run) => !this.#options.isHere(run));
    if (elsewhere.length === 0) return;
    // The database is away: it is asked again.
    const ends = await this.#options.endsOf(elsewhere).catch(() => []);
    for (const { run, end } of ends) this.ended(run, end);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    for (const [run, end] of this.#waiting) end.reject(stopping(run));
    this.#waiting.clear();
  }
}

function stopping(run: string): WorkerStoppingError {
  return new WorkerStoppingError(
    `This worker has stopped before the run ${run} had ended. What is on record goes on: with the start key that it was started with, "run" waits for the same run again; "npx signalbox sessions show ${run}" shows what it has come to.`,
    { details: { run } },
  );
}
