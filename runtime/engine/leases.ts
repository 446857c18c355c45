import type { Attempt } from "./attempt.ts";
import { LeaseLostError } from "./errors.ts";
import { recordableError } from "./recordable-error.ts";
import type { RunsUnderWay } from "./runs-under-way.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** Renews the leases of the runs that a worker has under way, and says that it is there. */
export class Leases {
  readonly #options: WorkerOptions;
  readonly #runs: RunsUnderWay;
  #timer: NodeJS.Timeout | null = null;
  #renewing: Promise<void> | null = null;
  /** It may be stopped before it has started. */
  #stopped = false;

  constructor(options: WorkerOptions, runs: RunsUnderWay) {
    this.#options = options;
    this.#runs = runs;
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer = setInterval(() => {
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = null;
      });
    }, this.#options.limits.leaseMs / 3);
  }

  /** Renews no more; resolves when what is under way of it is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearInterval(this.#timer);
    await this.#renewing;
  }

  async #renew(): Promise<void> {
    const attempts = this.#runs.attempts();
    const { journal, worker, limits, housekeeping } = this.#options;
    try {
      if (attempts.length > 0) {
        const { held, gone, deadlineMs } = await journal.renew(
          attempts.map((attempt) => attempt.head),
          worker,
          limits.leaseMs,
        );
        for (const attempt of attempts) {
          if (held.has(attempt.head.run)) attempt.lease.extend(deadlineMs);
          // One that has parked or ended meanwhile is over, and takes no notice. One whose row is held by something
          // else may be renewed next time: until then its deadline stands.
          else if (gone.has(attempt.head.run)) attempt.abort(lost(attempt));
        }
      }
      await housekeeping.workerSeen(worker);
    } catch (error) {
      this.#options.onTrouble("renewing leases", recordableError(error), { runs: attempts.length });
    }
  }
}

function lost(attempt: Attempt): LeaseLostError {
  return new LeaseLostError(
    `The lease on the run ${attempt.head.run} was lost: another worker has the run now. What this attempt did since its last record is not recorded.`,
    { details: { run: attempt.head.run } },
  );
}
