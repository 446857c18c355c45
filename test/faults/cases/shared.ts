import type { FaultCase, Guard } from "../case.ts";
import { delay } from "../wait.ts";

const RUNS = 60;
/** With so many runs at once on two cores, a worker may hear nothing for longer than the other cases' leases. */
const SHARING = { leaseMs: 3_000 };

/** Many runs of all kinds, on workers that are killed at any time and replaced. */
function sharing(workers: number, kills: number, guard: Guard): FaultCase {
  return {
    name: `${String(workers)} worker${workers === 1 ? "" : "s"} with random kills share ${String(RUNS)} runs`,
    promise: "Killing any worker at any time loses nothing and doubles nothing.",
    guard,
    long: workers !== 2,
    async run(scene) {
      const { random } = scene;
      scene.terms.doubts = true;
      scene.terms.limitMs = 60_000;
      await scene.workers(workers, SHARING);
      const agents = Array.from({ length: RUNS }, () =>
        random.pick(["clerk", "clerk", "clerk", "teller", "asker", "holder", "person"] as const),
      );
      const started = scene.startAll(...agents);
      for (let n = 0; n < kills; n++) {
        await delay(random.between(20, 250));
        random.pick(scene.lane.workers.filter(({ alive }) => alive)).kill();
        await scene.another(SHARING);
      }
      await started;
    },
  };
}

export const shared: readonly FaultCase[] = [
  sharing(1, 1, {
    name: "reconcile before a call is repeated",
    shows: ["duplicated"],
    patches: [
      {
        file: "runtime/engine/make-call.ts",
        find: 'if (repeatable(call)) return repeat(execution, call, proposal, id, "crash");',
        replace: 'if (repeatable(call) || call.reconcile) return repeat(execution, call, proposal, id, "crash");',
      },
    ],
  }),
  sharing(2, 2, {
    name: "doubt where a tool cannot be asked",
    shows: ["duplicated"],
    patches: [
      {
        file: "runtime/engine/investigate.ts",
        find: "  if (!reconcile) {\n",
        replace: '  if (!reconcile) return { kind: "not_made", why: "crash" };\n  if (!reconcile) {\n',
      },
    ],
  }),
  sharing(4, 3, {
    name: "the same idempotency key in every attempt",
    shows: ["duplicated"],
    patches: [
      {
        file: "runtime/engine/make-call.ts",
        find: 'return repeat(execution, call, proposal, id, "crash");',
        replace: 'return repeat(execution, call, proposal, crypto.randomUUID(), "crash");',
      },
    ],
  }),
];
