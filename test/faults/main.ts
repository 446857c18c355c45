import { parseArgs } from "node:util";
import { bundleWorker } from "./bundle.ts";
import type { FaultCase, ViolationKind } from "./case.ts";
import { CASES } from "./cases/index.ts";
import { Lane } from "./lane.ts";
import { proveGuard, runSeed } from "./run-case.ts";

const { values } = parseArgs({
  options: {
    /** How many seeds of each case. */
    seeds: { type: "string", default: "3" },
    /** One seed only: repeats it. */
    seed: { type: "string" },
    /** Only cases whose name holds this. */
    case: { type: "string", default: "" },
    /** Also shows each case failing with its guard taken out. */
    guards: { type: "boolean", default: false },
    /** Nothing on standard output but the last line. */
    json: { type: "boolean", default: false },
    /** How many cases run at once, each on servers of its own. */
    lanes: { type: "string", default: "2" },
  },
});

const tally: Record<ViolationKind, number> = { lost: 0, duplicated: 0, stuck: 0, unverified: 0 };
let seedsRun = 0;
let guardsProven = 0;
let unproven = 0;
const say = (text: string): void => {
  if (values.json) process.stderr.write(`${text}\n`);
  else console.log(text);
};

const cases = CASES.filter(({ name }) => name.includes(values.case));
const seeds =
  values.seed === undefined ? Array.from({ length: Number(values.seeds) }, (_, i) => i + 1) : [Number(values.seed)];
const ran = new Set<string>();
const startedAt = performance.now();

async function seedsOf(lane: Lane, faultCase: FaultCase): Promise<void> {
  const began = performance.now();
  let bad = 0;
  for (const seed of seeds) {
    const result = await runSeed(lane, faultCase, seed);
    if (result.skipped !== null) {
      say(`skip  ${faultCase.name}: ${result.skipped}`);
      return;
    }
    seedsRun++;
    if (result.violations.length === 0) continue;
    bad++;
    for (const { kind, what } of result.violations) {
      tally[kind]++;
      say(`      ${kind}: ${what}`);
    }
    say(`      again: npm run test:faults -- --case ${JSON.stringify(faultCase.name)} --seed ${String(seed)}`);
  }
  ran.add(faultCase.name);
  const seconds = (performance.now() - began) / 1000;
  say(
    `${bad === 0 ? "ok  " : "FAIL"}  ${faultCase.name}: ${String(seeds.length)} seeds in ${seconds.toFixed(1)} s (${(seconds / seeds.length).toFixed(2)} s each)`,
  );
}

async function guardOf(lane: Lane, faultCase: FaultCase, bundle: string): Promise<void> {
  const { guard, name } = faultCase;
  if ("none" in guard) {
    say(`      no guard  ${name}: ${guard.none}`);
    return;
  }
  const proof = await proveGuard(lane, faultCase, bundle);
  if (proof.skipped !== null) say(`skip  guard of ${name}: ${proof.skipped}`);
  else if (proof.seen) {
    guardsProven++;
    say(`seen  without "${guard.name}" (${name}), seed ${String(proof.seeds)}: ${proof.seen.kind}: ${proof.seen.what.slice(0, 160)}`);
  } else {
    unproven++;
    say(`BLIND without "${guard.name}" (${name}): nothing seen in ${String(proof.seeds)} seeds`);
  }
}

{
  await using bundle = await bundleWorker();
  const queue = cases.map((faultCase) => async (lane: Lane): Promise<void> => {
    await seedsOf(lane, faultCase);
    if (values.guards) await guardOf(lane, faultCase, bundle.path);
  });
  const count = Math.max(1, Math.min(Number(values.lanes), queue.length));
  await Promise.all(
    Array.from({ length: count }, async () => {
      await using lane = await Lane.open(bundle.path);
      for (let next = queue.shift(); next; next = queue.shift()) await next(lane);
    }),
  );
}
say(`${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
console.log(JSON.stringify({ cases: ran.size, seeds: seedsRun, ...tally, guardsProven }));
const bad = Object.values(tally).some((count) => count > 0) || unproven > 0;
// NATS's client may still try to reach a server that is gone.
process.exit(bad ? 1 : 0);
