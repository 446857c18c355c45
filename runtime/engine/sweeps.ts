import type { Intake } from "./intake.ts";
import { recordableError } from "./recordable-error.ts";
import type { RunsUnderWay } from "./runs-under-way.ts";
import { versionsOf, type WorkerOptions } from "./worker-options.ts";

/** How long a ready run is left to the worker that was told of it before a sweep takes it. */
const SWEEP_GRACE_MS = 250;
const LISTEN_EVERY_MS = 3_600_000;

/** Looks, again and again, for what nobody told a worker. */
export class Sweeps {
  readonly #options: WorkerOptions;
  readonly #runs: RunsUnderWay;
  readonly #intake: Intake;
  #timer: NodeJS.Timeout | null = null;
  #sweeping: Promise<void> | null = null;
  /** When it last swept, and from when on it frees what others have left behind (monotonic). */
  #sweptMs: number;
  #freeFromMs = 0;
  #listenedMs = 0;
  #stopped = false;

  constructor(options: WorkerOptions, runs: RunsUnderWay, intake: Intake) {
    this.#options = options;
    this.#runs = runs;
    this.#intake = intake;
    this.#sweptMs = options.clock.monotonicMs();
  }

  start(): void {
    if (this.#stopped) return;
    const sweep = (): void => {
      this.#sweeping ??= this.#sweep().finally(() => {
        this.#sweeping = null;
      });
    };
    this.#timer = setInterval(sweep, this.#options.sweepMs);
    sweep();
  }

  /** Begins no more. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer) clearInterval(this.#timer);
  }

  /** Resolves when the sweep under way is done. */
  async idle(): Promise<void> {
    await this.#sweeping;
  }

  /** Makes known what its agents listen to; said again from time to time, because who is silent for long is forgotten. */
  async listen(): Promise<void> {
    const { agents, messages, clock } = this.#options;
    this.#listenedMs = clock.monotonicMs();
    await messages.listen(
      [...agents.values()].map(({ agent: { name, on, queue } }) => ({ agent: name, topics: on, queue })),
    );
  }

  /** Timers that are due, approvals that expired, runs and messages left lying. */
  async #sweep(): Promise<void> {
    if (this.#stopped) return;
    const { housekeeping, mailer, take, onSuspects } = this.#options;
    try {
      await this.#lookForCancels();
      const overdue = await housekeeping.overdue();
      if (overdue.timers) await housekeeping.wakeDueRuns();
      await this.#lookAtLeases(overdue.leases);
      if (overdue.turns) await this.#options.turns.handOut();
      if (this.#options.clock.monotonicMs() - this.#listenedMs > LISTEN_EVERY_MS) await this.listen();
      if (overdue.approvals) await housekeeping.expireApprovals();
      await this.#intake.fillSlots(SWEEP_GRACE_MS);
      if (take === "sound" && (await housekeeping.suspectsWait(versionsOf(this.#options)))) onSuspects?.();
      if (overdue.messages) {
        for (const { message, copy } of await housekeeping.unreceivedMessages()) mailer.sendCopy(message, copy);
      }
    } catch (error) {
      this.#options.onTrouble("sweeping", recordableError(error), {});
    }
  }

  /** Whoever cancels a run that is under way leaves a message for it, like everybody. */
  async #lookForCancels(): Promise<void> {
    const { journal, onTrouble } = this.#options;
    const runs = this.#runs.attempts().map(({ head }) => head.run);
    if (runs.length === 0) return;
    for (const run of await journal.withMail(runs)) {
      await this.#runs
        .get(run)
        ?.attempt?.lookForCancel()
        .catch((error: unknown) => {
          onTrouble("looking for a cancel", recordableError(error), { run });
        });
    }
  }

  /**
   * Frees runs of workers that are gone, if there are some. A worker that was itself out of touch gives the others time
   * to say that they are there: they were most likely out of touch as well, and have not crashed.
   */
  async #lookAtLeases(overdue: boolean): Promise<void> {
    const { housekeeping, clock, worker, limits, sweepMs } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#sweptMs > limits.leaseMs / 3 + 2 * sweepMs) {
      this.#freeFromMs = nowMs + limits.leaseMs / 3;
      await housekeeping.workerSeen(worker);
    }
    this.#sweptMs = nowMs;
    if (!overdue || nowMs < this.#freeFromMs) return;
    await housekeeping.freeLeftBehind(this.#runs.names());
  }
}
