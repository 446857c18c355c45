import type { FaultCase, Guard } from "../case.ts";
import { delay } from "../wait.ts";
import { askedOrLate } from "./kills.ts";

const HOUR_MS = 3_600_000;

const DATABASE_TIME: Guard = {
  name: "the database's time",
  shows: ["duplicated", "stuck"],
  patches: [
    {
      file: "runtime/engine/attempt.ts",
      find: "return this.#claimedAt.epochMs + this.clock.monotonicMs() - this.#claimedAt.monotonicMs;",
      replace: "return Date.now();",
    },
  ],
};

/** A call is under way when its worker dies, and whoever finds out about it, or who made it, has another time. */
function offBy(name: string, promise: string, ms: number): FaultCase {
  return {
    name,
    promise,
    guard: DATABASE_TIME,
    async run(scene) {
      await scene.lane.endWorkers();
      // Either may make the call, and the other finds out about it.
      await Promise.all([scene.another(), scene.another({ clockMs: ms })]);
      const run = await scene.start("clerk");
      const { held, release } = scene.hold("arrived", run, scene.random.pick([":book", ":pay"]));
      const call = await scene.come("the call arrives", held);
      await askedOrLate(scene, run, call, () => {
        scene.workerOf(call).kill();
      });
      release();
    },
  };
}

export const clocks: readonly FaultCase[] = [
  offBy(
    "a worker's clock is an hour ahead",
    "How long a call may still take effect is measured in the database's time, whatever a worker's clock says.",
    HOUR_MS,
  ),
  offBy(
    "a worker's clock is an hour back",
    "What waits for a time waits for the database's, whatever a worker's clock says.",
    -HOUR_MS,
  ),
  {
    name: "a worker's clock jumps in mid-run",
    promise: "A lease is over when its time has passed, also for a worker whose clock was set back.",
    guard: {
      name: "deadlines on a clock that is never set",
      shows: ["duplicated"],
      patches: [
        {
          file: "runtime/core/clock.ts",
          find: "monotonicMs: () => performance.now(),",
          replace: "monotonicMs: () => Date.now(),",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      const intended = scene.wire("after", ["effect_intended", scene.random.pick(["bank.book", "bank.pay"])]);
      const run = await scene.start("clerk");
      const { held, worker } = await scene.come("the intent is committed", intended);
      worker.setClock(scene.random.pick([-HOUR_MS, -HOUR_MS, HOUR_MS]));
      await delay(30);
      worker.freeze();
      held.forward();
      await scene.reach(run, "finished");
      worker.thaw();
      await scene.sees(worker);
    },
  },
];
