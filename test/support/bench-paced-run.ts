import { median } from "../bench/engine/statistics.ts";
import { deferred } from "../../runtime/core/deferred.ts";

const SUPERSTEPS_A_TURN = 10;

/** What a superstep took in a turn of each of two runs. */
export interface Turn {
  readonly youngMs: number;
  readonly oldMs: number;
}

/** A run that from one of its supersteps on only goes on when it has a turn. */
export class PacedRun {
  readonly #from: number;
  #ranMs: number[] = [];
  #held = deferred<undefined>();
  #goOn = deferred<undefined>();
  #free = false;

  constructor(from: number) {
    this.#from = from;
  }

  /** Its node runs. @returns what it has to wait for, if anything */
  ran(superstep: number): Promise<unknown> | undefined {
    if (this.#free || superstep < this.#from) return undefined;
    this.#ranMs.push(performance.now());
    if (superstep > this.#from && this.#ranMs.length < SUPERSTEPS_A_TURN) return undefined;
    this.#held.resolve(undefined);
    return this.#goOn.promise;
  }

  /** Resolves once it waits for a turn. */
  get held(): Promise<unknown> {
    return this.#held.promise;
  }

  /** Lets it go on for a turn. @returns what a superstep took, in the middle of them */
  async turn(): Promise<number> {
    const goOn = this.#goOn;
    this.#ranMs = [];
    this.#held = deferred();
    this.#goOn = deferred();
    goOn.resolve(undefined);
    await this.#held.promise;
    const ran = this.#ranMs;
    return median(ran.slice(1).map((ms, i) => ms - (ran[i] ?? NaN)));
  }

  /** Lets it go on to its end. */
  free(): void {
    this.#free = true;
    this.#goOn.resolve(undefined);
  }
}

/**
 * Two runs in one process, by turns, so that whatever else the machine does meets both: one that has made `old`
 * supersteps, and one that has made `young`.
 *
 * @param start starts a run that makes so many supersteps and tells of each, and resolves at its end
 */
export async function runByTurns(
  { young, old, turns }: { readonly young: number; readonly old: number; readonly turns: number },
  start: (steps: number, run: PacedRun) => Promise<void>,
): Promise<readonly Turn[]> {
  const runs = { young: new PacedRun(young), old: new PacedRun(old) };
  const most = (turns + 1) * SUPERSTEPS_A_TURN;
  const oldEnds = start(old + most, runs.old);
  await Promise.race([runs.old.held, oldEnds]);
  const youngEnds = start(young + most, runs.young);
  await Promise.race([runs.young.held, youngEnds]);
  const taken: Turn[] = [];
  for (let i = 0; i < turns; i++) {
    // The other one first each time: nothing favours the one that comes second.
    const first = i % 2 === 0 ? await runs.old.turn() : undefined;
    const youngMs = await runs.young.turn();
    taken.push({ youngMs, oldMs: first ?? (await runs.old.turn()) });
  }
  runs.young.free();
  runs.old.free();
  await Promise.all([oldEnds, youngEnds]);
  return taken;
}
