import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundleWorker, type Bundle } from "./bundle.ts";
import { CASES } from "./cases/index.ts";
import { Lane } from "./lane.ts";
import { proveGuard, runSeed } from "./run-case.ts";

// One seed of one or more cases of each kind, and two guards. Left to `npm run test:faults`, because they take long or
// because another of their kind is here: whatever is marked `long` (the other places of a kill, the other lost replies,
// a full disk, many runs on workers that are killed at random), many seeds, and the guards of all cases.
const SEED = 1;

let bundle: Bundle;
let lane: Lane;

beforeAll(async () => {
  bundle = await bundleWorker();
  lane = await Lane.open(bundle.path);
});
afterAll(async () => {
  await lane[Symbol.asyncDispose]();
  await bundle[Symbol.asyncDispose]();
});

describe("nothing is lost, doubled or stuck, and the chain verifies", () => {
  test.each(CASES.filter(({ long }) => long !== true))("$name - $promise", async (faultCase) => {
    const again = `npm run test:faults -- --case ${JSON.stringify(faultCase.name)} --seed ${String(SEED)}`;
    const result = await runSeed(lane, faultCase, SEED);
    if (result.skipped === null) expect(result.violations, again).toEqual([]);
  });
});

describe("without its guard the case fails", () => {
  const proven = CASES.filter(({ provenInTests }) => provenInTests === true);
  test.each(proven)("$name", async (faultCase) => {
    const proof = await proveGuard(lane, faultCase, bundle);
    expect(proof).toMatchObject({ skipped: null, seen: { what: expect.any(String) as string } });
  });
});
