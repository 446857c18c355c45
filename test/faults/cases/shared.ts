import type { FaultCase } from "../case.ts";
import { STRIDES } from "../agents.ts";
import type { Scene } from "../scene.ts";
import { delay } from "../wait.ts";
import { REPEATED_UNASKED } from "./kills.ts";

const RUNS = 8;
const AGENTS = ["clerk", "teller", "asker", "holder", "person", "strider"] as const;
/** With so many runs at once on two cores, a worker may hear nothing for longer than the other cases' leases. */
const SHARING = { leaseMs: 1_200 };

/**
 * Kills a worker at any time: at some call's point, or while who knows what happens. Every second kill is aimed at a
 * call that has just taken effect and whose repeating would show.
 */
async function killOne(scene: Scene): Promise<void> {
  const { random, lane } = scene;
  const aimed = random.pick([true, false]);
  const actions = aimed
    ? [":book", ":pay"]
    : random.shuffled([":upsert", ":book", ":pay", ":wire", ":held", ":answer"]).slice(0, 3);
  const point = aimed ? "acted" : random.pick(["before", "arrived", "acted", "after"] as const);
  let over = false;
  const hit = lane.bank.once(
    point,
    ({ id }) => !over && actions.some((action) => id.endsWith(action)),
    (call) => {
      scene.workerOf(call).kill();
      return "go";
    },
  );
  await Promise.race([hit, delay(aimed ? 1_500 : random.between(300, 600))]);
  over = true;
  if (lane.workers.every(({ alive }) => alive)) random.pick(lane.workers).kill();
  await scene.another(SHARING);
}

/** How many workers there are, and how many of them are killed, one after the other. */
const WORKERS = [
  { workers: 1, kills: 1 },
  { workers: 2, kills: 2 },
  { workers: 4, kills: 3 },
] as const;

export const shared: readonly FaultCase[] = [
  {
    name: `1, 2 or 4 worker processes, killed at any time, share ${String(RUNS)} runs and one of ${String(STRIDES)} supersteps`,
    agents: AGENTS,
    promise: "Killing any worker at any time loses nothing and doubles nothing, however many there are.",
    guard: { name: "reconcile before a call is repeated", shows: ["duplicated"], patches: [REPEATED_UNASKED] },
    long: true,
    async run(scene) {
      const { random } = scene;
      const { workers, kills } = random.pick(WORKERS);
      scene.terms.doubts = true;
      await scene.workers(workers, SHARING);
      const others = AGENTS.filter((agent) => agent !== "strider");
      const agents = Array.from({ length: RUNS }, () => random.pick(["clerk", "clerk", ...others] as const));
      const started = scene.startAll("strider", ...agents);
      for (let n = 0; n < kills; n++) {
        await delay(random.between(0, 60));
        await killOne(scene);
      }
      await started;
    },
  },
];
