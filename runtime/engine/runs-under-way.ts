import type { Attempt } from "./attempt.ts";

/** A run that this worker has claimed and not let go of. */
export interface RunUnderWay {
  readonly agent: string;
  /** Told meanwhile that it is ready. */
  hinted: boolean;
  /** Null before the first attempt has begun, and between two. */
  attempt: Attempt | null;
}

/** The runs that one worker has under way. If their leases have run out, they are renewed or lost, but not taken from ourselves. */
export class RunsUnderWay {
  readonly #runs = new Map<string, RunUnderWay>();

  begin(run: string, agent: string): RunUnderWay {
    const underWay = { agent, hinted: false, attempt: null };
    this.#runs.set(run, underWay);
    return underWay;
  }

  /** This worker may have claimed the run anew before it had quite let go of it: then that goes on. */
  end(run: string, underWay: RunUnderWay): void {
    if (this.#runs.get(run) === underWay) this.#runs.delete(run);
  }

  get(run: string): RunUnderWay | undefined {
    return this.#runs.get(run);
  }

  names(): string[] {
    return [...this.#runs.keys()];
  }

  attempts(): Attempt[] {
    return [...this.#runs.values()].flatMap(({ attempt }) => attempt ?? []);
  }

  countOf(agent: string): number {
    let count = 0;
    for (const underWay of this.#runs.values()) if (underWay.agent === agent) count++;
    return count;
  }
}
