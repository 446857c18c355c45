import { SLEEP_MS } from "../agents.ts";
import type { FaultCase, Guard } from "../case.ts";
import { delay } from "../wait.ts";
import { askedOrLate } from "./kills.ts";

const HOUR_MS = 3_600_000;

const DATABASE_TIME: Guard = {
  name: "the database's time",
  shows: ["duplicated", "lost"],
  patches: [
    {
      file: "runtime/engine/held-lease.ts",
      find: "return this.#claimedAt.epochMs + this.#clock.monotonicMs() - this.#claimedAt.monotonicMs;",
      replace: "return Date.now();",
    },
  ],
};

export const clocks: readonly FaultCase[] = [
  {
    name: "a worker's clock is an hour ahead",
    agents: ["clerk"],
    together: true,
    long: true,
    promise:
      "How long a call may still take effect is measured in the database's time, whatever a worker's clock says.",
    guard: DATABASE_TIME,
    async run(scene) {
      await scene.endWorkers();
      // Either may make the call, and the other finds out about it.
      await Promise.all([scene.another(), scene.another({ clockMs: HOUR_MS })]);
      const { run, held, release } = await scene.startHeld("clerk", "arrived", scene.random.pick([":book", ":pay"]));
      const call = await scene.come("the call arrives", held);
      await askedOrLate(scene, run, { call, release }, () => scene.killCaller(call));
    },
  },
  {
    name: "a worker's clock is an hour back",
    agents: ["sleeper"],
    together: true,
    promise: "What waits for a time waits for the database's, whatever a worker's clock says.",
    guard: DATABASE_TIME,
    async run(scene) {
      const [worker] = await scene.workers(1, { clockMs: -HOUR_MS });
      const startedMs = performance.now();
      const run = await scene.start("sleeper");
      const slept = scene.at("before", run, () => "go", ":pay");
      await scene.reach(run, "parked", "finished");
      // Whoever goes on has the right time.
      await scene.meet();
      worker?.kill();
      await scene.another();
      await scene.come("it has slept", slept);
      const sleptMs = Math.round(performance.now() - startedMs);
      if (sleptMs < SLEEP_MS) scene.violated("lost", `a sleep of ${String(SLEEP_MS)} ms took ${String(sleptMs)}`);
    },
  },
  {
    name: "a worker's clock jumps in mid-run",
    agents: ["clerk"],
    long: true,
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
