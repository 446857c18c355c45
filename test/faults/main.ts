/**
 * `npm run test:faults`: harm to real processes, at named points, from printed seeds.
 *
 * A case (see `case.ts`) is an entry in a file of `cases/`: a name, the sentence that it holds Signalbox to, what it
 * does, and its guard. What it does: it starts workers and runs (`scene.workers`, `scene.start`), waits for a named
 * point (`scene.at` and `scene.hold`: where a tool's call stands; `scene.wire`: what a worker says to Postgres), and
 * kills, freezes, cuts, restarts or wipes. Everything random comes from `scene.random`. When it returns, the fault is
 * over: the runner waits until all has come to its end, with an operator who decides, answers and settles doubts by
 * what the bank says, and then compares the bank's count with what was to happen, and verifies the record.
 *
 * To add one: write the entry, run it with `--case NAME --seeds 20`, then with its guard: `--case NAME`. Its guard is
 * what makes it pass, as exact changes of the source that take that out; a worker made of the changed source has to be
 * seen failing, in the way that `shows` names. If it is not seen, the case is not sharp enough. A text that is not found exactly
 * once is an error: then the source has moved on, and the patch has to follow. `FAULTS_LOG=warn` shows what workers say.
 */
import { parseArgs } from "node:util";
import { bundleWorker, type Bundle } from "./bundle.ts";
import type { FaultCase, ViolationKind } from "./case.ts";
import { CASES } from "./cases/index.ts";
import { Lane } from "./lane.ts";
import { proveGuard, runSeeds, type SeedResult } from "./run-case.ts";
import { warmUp } from "./warm-up.ts";
import { WorkQueue } from "./work-queue.ts";

const { values } = parseArgs({
  options: {
    /** How many seeds of each case. Default 3. */
    seeds: { type: "string" },
    /** One seed only: repeats it. */
    seed: { type: "string" },
    /** Only cases whose name holds one of these. */
    case: { type: "string", multiple: true, default: [""] },
    /** Also shows each case failing with its guard taken out. Default: where no number of seeds is given. */
    guards: { type: "boolean" },
    /** Nothing on standard output but the last line. */
    json: { type: "boolean", default: false },
    /** How many cases run at once, each on servers of its own. */
    lanes: { type: "string", default: "4" },
  },
  allowNegative: true,
});
const guards = values.guards ?? (values.seeds === undefined && values.seed === undefined);

/** So many seeds go on together, where a case lets them. */
const AT_ONCE = 10;
/** From so many seeds on, compiled code is worth being kept. */
const MANY = 10;
const tally: Record<ViolationKind, number> = { lost: 0, duplicated: 0, stuck: 0, unverified: 0 };
let seedsRun = 0;
let guardsProven = 0;
let unproven = 0;
/** The suite itself failed, and did not run to its end. */
let broken = false;
const say = (text: string): void => {
  if (values.json) process.stderr.write(`${text}\n`);
  else console.log(text);
};

const cases = CASES.filter(({ name }) => values.case.some((part) => name.includes(part)));
const seeds =
  values.seed === undefined
    ? Array.from({ length: Number(values.seeds ?? 3) }, (_, i) => i + 1)
    : [Number(values.seed)];
const ran = new Set<string>();
const startedAt = performance.now();

/** The seeds of one case, in portions that any lane may take. */
class CaseSeeds {
  readonly faultCase: FaultCase;
  readonly portions: readonly (readonly number[])[];
  #left: number;
  #bad = 0;
  #seconds = 0;
  #skipped = false;

  constructor(faultCase: FaultCase) {
    this.faultCase = faultCase;
    this.portions = portionsOf(seeds, AT_ONCE);
    this.#left = this.portions.length;
  }

  async run(lane: Lane, portion: readonly number[]): Promise<void> {
    const began = performance.now();
    const { faultCase } = this;
    for (const now of faultCase.together ? [portion] : portionsOf(portion, 1)) {
      if (this.#skipped) break;
      for (const [i, result] of (await runSeeds(lane, faultCase, now)).entries()) this.#count(result, now[i]);
    }
    this.#seconds += (performance.now() - began) / 1000;
    this.#left--;
    if (this.#left > 0 || this.#skipped) return;
    ran.add(faultCase.name);
    say(
      `${this.#bad === 0 ? "ok  " : "FAIL"}  ${faultCase.name}: ${String(seeds.length)} seeds in ${this.#seconds.toFixed(1)} s (${(this.#seconds / seeds.length).toFixed(2)} s each)`,
    );
  }

  #count(result: SeedResult, seed: number | undefined): void {
    const { name } = this.faultCase;
    if (result.skipped !== null) {
      if (!this.#skipped) say(`skip  ${name}: ${result.skipped}`);
      this.#skipped = true;
      return;
    }
    seedsRun++;
    if (result.violations.length === 0) return;
    this.#bad++;
    for (const { kind, what } of result.violations) {
      tally[kind]++;
      say(`      ${kind}: ${what}`);
    }
    say(`      again: npm run test:faults -- --case ${JSON.stringify(name)} --seed ${String(seed)}`);
  }
}

function portionsOf(all: readonly number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}

async function guardOf(lane: Lane, faultCase: FaultCase, bundle: Bundle): Promise<void> {
  const { guard, name } = faultCase;
  if ("none" in guard) {
    say(`      no guard  ${name}: ${guard.none}`);
    return;
  }
  const proof = await proveGuard(lane, faultCase, bundle);
  if (proof.skipped !== null) say(`skip  guard of ${name}: ${proof.skipped}`);
  else if (proof.seen) {
    guardsProven++;
    say(
      `seen  without "${guard.name}" (${name}), seed ${String(proof.seeds)}: ${proof.seen.kind}: ${proof.seen.what.slice(0, 160)}`,
    );
  } else {
    unproven++;
    say(`BLIND without "${guard.name}" (${name}): nothing seen in ${String(proof.seeds)} seeds`);
  }
}

const lanes = new Set<Lane>();
let warm: Promise<void> | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    // The servers are children of nobody else.
    void Promise.allSettled([...lanes].map((lane) => lane[Symbol.asyncDispose]())).then(() => process.exit(130));
  });
}

{
  await using bundle = await bundleWorker();
  const works = cases.map((faultCase) => {
    const ofCase = new CaseSeeds(faultCase);
    const ofSeeds = ofCase.portions.map((portion) => (lane: Lane) => ofCase.run(lane, portion));
    return guards ? [...ofSeeds, (lane: Lane) => guardOf(lane, faultCase, bundle)] : ofSeeds;
  });
  const queue = new WorkQueue(works);
  const many = seeds.length * cases.length >= MANY;
  const count = Math.max(1, Math.min(Number(values.lanes), works.flat().length));
  // All lanes come to their end, also where one fails: the end of this process would leave their servers running.
  const ended = await Promise.allSettled(
    Array.from({ length: count }, async () => {
      await using lane = await Lane.open(bundle.path);
      lanes.add(lane);
      if (many && lanes.size === 1) warm = warmUp(lane, bundle);
      try {
        await warm;
        for (const work of queue.taken()) await work(lane);
      } catch (error) {
        queue.clear();
        throw error;
      }
    }),
  );
  for (const lane of ended) {
    if (lane.status === "fulfilled") continue;
    broken = true;
    console.error(lane.reason);
  }
}
say(`${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
console.log(JSON.stringify({ cases: ran.size, seeds: seedsRun, ...tally, guardsProven }));
const bad = broken || Object.values(tally).some((count) => count > 0) || unproven > 0;
// NATS's client may still try to reach a server that is gone.
process.exit(bad ? 1 : 0);
