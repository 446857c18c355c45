import { verify } from "../../runtime/audit/verify.ts";
import type { RunStatus } from "../../runtime/core/events.ts";
import type { Violation, ViolationKind } from "../faults/case.ts";
import { checkApprovals, checkCalls, checkMail, checkWorld, runsOf, type Promised } from "../faults/checks.ts";
import type { Ground } from "./ground.ts";
import { expectedOfSoak, type SoakAgent } from "./project.ts";

/** What is to become of a run. */
export type Fate = "finishes" | "refused" | "cancelled";

export interface SoakRun {
  /** What it is about: `soak.17`. Everything that it does outside begins with it. */
  readonly id: string;
  readonly agent: SoakAgent;
  readonly fate: Fate;
}

/** What a run of this fate may end as. */
const ENDS: Readonly<Record<Fate, readonly RunStatus[]>> = {
  finishes: ["finished"],
  refused: ["failed"],
  // The cancel may come too late.
  cancelled: ["finished", "cancelled"],
};
const TAG = "soak.";

/** All runs of a soak, and what is to become of them. */
export class Ledger {
  readonly violations: Violation[] = [];
  readonly #runs = new Map<string, SoakRun>();
  /** The run that a start said it had started, by what that run is about. */
  readonly #said = new Map<string, string>();

  get size(): number {
    return this.#runs.size;
  }

  /** Takes note of a run that is about to be started. */
  add(agent: SoakAgent, fate: Fate): SoakRun {
    const run = { id: `${TAG}${String(this.#runs.size)}`, agent, fate };
    this.#runs.set(run.id, run);
    return run;
  }

  /** The run that this is about: what a tool is called with begins with its id. */
  of(id: string): SoakRun | undefined {
    const [, number] = /^soak\.(\d+)/.exec(id) ?? [];
    return number === undefined ? undefined : this.#runs.get(`${TAG}${number}`);
  }

  /** A start has said which run it has started. */
  started({ id }: SoakRun, run: string): void {
    const before = this.#said.get(id) ?? run;
    if (before !== run) this.violated("duplicated", `${id} was started as ${before} and as ${run}`);
    this.#said.set(id, run);
  }

  readonly violated = (kind: ViolationKind, what: string): void => {
    this.violations.push({ kind, what });
  };

  /** Once all is at rest: what is wrong. @returns how many runs there have been */
  async check(ground: Ground): Promise<number> {
    const { database } = ground;
    const recorded = await database.query<{ run: string; id: string }>(
      `select e.run_id as run, e.data::json -> 'input' ->> 'id' as id from events e join runs r using (run_id)
       where e.type = 'run_started' and r.parent_id is null and r.session_id = r.run_id`,
      [],
    );
    const found = new Map<string, string>();
    for (const { run, id } of recorded) {
      // What a message has started is about that message.
      if (!this.#runs.has(id)) continue;
      if (found.has(id)) this.violated("duplicated", `${id} is ${run} and ${String(found.get(id))}`);
      found.set(id, run);
    }
    for (const [id, run] of this.#said) {
      if (found.get(id) !== run) this.violated("lost", `${id} was started as ${run}, which is not on record`);
    }
    for (const fate of Object.keys(ENDS) as Fate[]) await this.#checkFate(ground, fate, found);
    this.#checkActs(ground, found);
    const { verified, runs, firstBad } = await verify(database, null);
    if (!verified) this.violated("unverified", JSON.stringify(firstBad));
    return runs;
  }

  async #checkFate(ground: Ground, fate: Fate, found: ReadonlyMap<string, string>): Promise<void> {
    const runs = [...this.#runs.values()].flatMap((known) => {
      const run = found.get(known.id);
      return known.fate === fate && run !== undefined ? [{ ...known, run }] : [];
    });
    const expected = new Map(
      runs.flatMap((run) => (fate === "refused" ? [] : expectedOfSoak(run.agent, run.id).map((id) => [id, run]))),
    );
    const promised: Promised = {
      books: ground,
      bank: ground.bank,
      runs,
      terms: { ends: ENDS[fate] },
      expected: () => expected,
      owns: (id) => this.of(id)?.fate === fate,
      violated: this.violated,
    };
    await checkWorld(promised);
    await checkMail(promised);
    for (const { run } of await runsOf(promised)) await checkCalls(promised, run);
    await checkApprovals(promised);
  }

  /** Nothing happened of which there is no record, and messages of one key were handled in order. */
  #checkActs({ bank }: Ground, found: ReadonlyMap<string, string>): void {
    const places = new Map<string, number>();
    for (const { id } of bank.acts) {
      const run = this.of(id)?.id ?? id;
      if (!found.has(run)) this.violated("duplicated", `${id} happened, and its run is not on record`);
      const place = Number(/:[mp](\d+)$/.exec(id)?.[1] ?? 0);
      if (place === 0) continue;
      if (place < (places.get(run) ?? 0)) this.violated("unverified", `${id} was handled after a later message`);
      places.set(run, place);
    }
  }
}
