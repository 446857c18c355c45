import type { FaultCase, Guard } from "../case.ts";
import { STRIDES } from "../agents.ts";
import type { Scene } from "../scene.ts";
import { delay } from "../wait.ts";
import { LEFT_BEHIND, REPEATED_UNASKED } from "./kills.ts";

const RUNS = 8;
const AGENTS = ["clerk", "teller", "asker", "holder", "person", "strider"] as const;
/** With so many runs at once on two cores, a worker may hear nothing for longer than the other cases' leases. */
const SHARING = { leaseMs: 1_200 };

/** Kills a worker at any time: at some call's point, or while who knows what happens. */
async function killOne(scene: Scene): Promise<void> {
  const { random, lane } = scene;
  const actions = random.shuffled([":upsert", ":book", ":pay", ":wire", ":held", ":answer"]).slice(0, 3);
  const point = random.pick(["before", "arrived", "acted", "acted", "after"] as const);
  let over = false;
  const hit = lane.bank.once(
    point,
    ({ id }) => !over && actions.some((action) => id.endsWith(action)),
    (call) => {
      scene.workerOf(call).kill();
      return "go";
    },
  );
  await Promise.race([hit, delay(random.between(300, 600))]);
  over = true;
  if (lane.workers.every(({ alive }) => alive)) random.pick(lane.workers).kill();
  await scene.another(SHARING);
}

/** Many runs of all kinds and a long one, on workers that are killed at any time and replaced. */
function sharing(workers: number, kills: number, guard: Guard): FaultCase {
  return {
    name: `${String(workers)} worker process${workers === 1 ? "" : "es"}, killed at any time, share ${String(RUNS)} runs and one of ${String(STRIDES)} supersteps`,
    agents: AGENTS,
    promise: "Killing any worker at any time loses nothing and doubles nothing.",
    guard,
    long: true,
    async run(scene) {
      const { random } = scene;
      scene.terms.doubts = true;
      scene.terms.limitMs = 60_000;
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
  };
}

export const shared: readonly FaultCase[] = [
  sharing(1, 1, LEFT_BEHIND),
  sharing(2, 2, {
    name: "reconcile before a call is repeated",
    shows: ["duplicated"],
    patches: [REPEATED_UNASKED],
  }),
  sharing(4, 3, {
    name: "the same idempotency key in every attempt",
    shows: ["duplicated"],
    patches: [
      {
        file: "runtime/engine/make-call.ts",
        find: 'return repeat(execution, call, { proposal, id, approved }, "crash", null);',
        replace: 'return repeat(execution, call, { proposal, id: crypto.randomUUID(), approved }, "crash", null);',
      },
    ],
  }),
];
