import type { Bus } from "../core/bus.ts";
import type { RunEnd } from "../core/events.ts";
import type { Journal, NewRun } from "../core/journal.ts";
import type { SignalboxConfig } from "../config.ts";
import type { Worker } from "../engine/worker.ts";
import { RunNotRecordedError } from "./errors.ts";
import type { RunEnds } from "./run-ends.ts";
import { newRun, startedBefore, type StartedRun, type StartOptions } from "./start-run.ts";

export interface OwnRunsOptions {
  readonly config: SignalboxConfig;
  readonly journal: Pick<Journal, "startedWith">;
  readonly bus: Pick<Bus, "wake">;
  readonly worker: Pick<Worker, "begin" | "beginAtOnce" | "has">;
  readonly ends: RunEnds;
}

/** Starts runs in the process of a worker, which takes them itself as long as it has room. */
export class OwnRuns {
  readonly #options: OwnRunsOptions;

  constructor(options: OwnRunsOptions) {
    this.#options = options;
  }

  /**
   * Resolves once the start is on disk.
   *
   * @throws what {@link newRun} and {@link startedBefore} throw, {@link RunNotRecordedError},
   *   `DatabaseUnavailableError`, `WorkerStoppingError`
   */
  async start(options: StartOptions): Promise<StartedRun> {
    const asked = newRun(this.#options.config, options);
    const begun = await this.#beginAtOnce(asked, { linger: false });
    if (!begun) return this.#create(asked);
    await begun.recorded;
    return { run: asked.run, created: true };
  }

  /**
   * Resolves once the end of the run is on disk, whoever has brought it there. A run that this worker has room for is
   * recorded together with what it does first: if that fails, there has been none.
   *
   * @throws what {@link start} throws
   */
  async run(options: StartOptions): Promise<{ readonly run: string; readonly end: RunEnd }> {
    const { config, ends } = this.#options;
    const asked = newRun(config, options);
    const end = ends.of(asked.run);
    try {
      const begun = await this.#beginAtOnce(asked);
      if (begun) {
        // Its end comes with it or after it; that it could not be recorded comes alone.
        return { run: asked.run, end: await Promise.race([end, begun.recorded.then(() => end)]) };
      }
      const { run } = await this.#create(asked);
      if (run === asked.run) return { run, end: await end };
      const before = ends.of(run);
      void ends.look();
      return { run, end: await before };
    } finally {
      ends.forget(asked.run);
    }
  }

  /** Only where nothing but this process can have asked for the run. */
  async #beginAtOnce(
    asked: NewRun,
    options?: { readonly linger?: boolean },
  ): Promise<{ readonly recorded: Promise<void> } | null> {
    if (asked.key !== null) return null;
    const begun = await this.#options.worker.beginAtOnce(asked, options);
    if (!begun) return null;
    const recorded = begun.recorded.catch((error: unknown) => {
      throw notRecorded(asked, error);
    });
    recorded.catch(() => undefined);
    return { recorded };
  }

  async #create(asked: NewRun): Promise<StartedRun> {
    const { journal, bus, worker } = this.#options;
    const created = await worker.begin(asked);
    const run = created ? asked.run : await startedBefore(journal, asked);
    // Where this worker has no room, another one may have.
    if (!worker.has(run)) bus.wake(asked.agent, [run]);
    return { run, created };
  }
}

function notRecorded({ run, agent }: NewRun, cause: unknown): RunNotRecordedError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new RunNotRecordedError(
    `The run ${run} of ${agent} could not be recorded, and nothing that it did has left this process: ${why} Start it again. Only where the connection to the database broke in that moment may it be there all the same, and then it goes on: "npx signalbox sessions show ${run}" says so. Give it a start key where it must not be started twice.`,
    { details: { run, agent }, cause },
  );
}
