import { PATIENT } from "../agents.ts";
import type { FaultCase } from "../case.ts";
import { delay } from "../wait.ts";
import { REPEATED_UNASKED } from "./kills.ts";

export const stopping: readonly FaultCase[] = [
  {
    name: "SIGTERM during a call",
    agents: ["teller"],
    together: true,
    promise: "A worker that is told to stop lets its calls come back and records them, and then ends.",
    guard: {
      name: "waiting for what is under way",
      shows: ["lost"],
      patches: [
        {
          file: "runtime/engine/worker.ts",
          find: "if (!(await within(drainMs, this.#idle()))) {",
          replace: "if (!(await within(0 * drainMs, this.#idle()))) {",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2, PATIENT);
      scene.terms.attempts = 1;
      const { held, release } = await scene.startHeld("teller", scene.random.pick(["arrived", "acted"]), ":wire");
      const call = await scene.come("the call arrives", held);
      const worker = scene.workerOf(call);
      await scene.toAll(`stop ${String(worker.pid)}`, () => {
        worker.terminate();
        return Promise.resolve();
      });
      await delay(scene.random.between(30, 300));
      release();
      const status = await scene.come("the worker ends", worker.exited);
      if (status !== 0) scene.violated("stuck", `a worker that was told to stop ended with ${String(status)}`);
    },
  },
  {
    name: "a second SIGTERM at once",
    agents: ["clerk"],
    together: true,
    long: true,
    promise: "A worker that is told twice ends at once, and that is as safe as any crash.",
    guard: {
      name: "reconcile before a call is repeated",
      shows: ["duplicated"],
      patches: [REPEATED_UNASKED],
    },
    async run(scene) {
      await scene.workers(2);
      const { held, release } = await scene.startHeld("clerk", "acted", scene.random.pick([":book", ":pay"]));
      const worker = scene.workerOf(await scene.come("the call is made", held));
      const again = scene.random.between(5, 60);
      await scene.toAll(`stop ${String(worker.pid)}`, async () => {
        worker.terminate();
        await delay(again);
        worker.terminate();
      });
      await scene.come("the worker ends at once", worker.exited, 2_000);
      await scene.survivor();
      release();
    },
  },
];
