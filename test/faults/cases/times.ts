import { SLEEP_MS } from "../agents.ts";
import type { FaultCase, Guard } from "../case.ts";
import type { FaultRun, Scene } from "../scene.ts";
import { delay } from "../wait.ts";
import { askedOrLate, gone } from "./kills.ts";

const WOKEN_WHEN_DUE: Guard = {
  name: "waking what is due",
  shows: ["stuck"],
  patches: [
    {
      file: "runtime/engine/sweeps.ts",
      find: "      if (overdue.timers) await housekeeping.wakeDueRuns();\n",
      replace: "",
    },
  ],
};

/** A run sleeps once, whoever looks at it: what it waits for is what it said first. */
function sleepsOnce(scene: Scene, run: FaultRun): void {
  scene.afterwards(async () => {
    const events = await scene.events(run);
    const sleeps = new Set(events.flatMap(({ type, data }) => (type === "timer_set" ? [data.effect] : [])));
    const due = new Set(
      events.flatMap(({ type, data }) => {
        if (type === "timer_set") return [data.dueAt];
        if (type !== "run_parked") return [];
        return data.waits.flatMap((wait) => (wait.kind === "timer" && sleeps.has(wait.effect) ? [wait.dueAt] : []));
      }),
    );
    if (due.size !== 1) scene.violated("lost", `a sleep was to end at ${[...due].join(", then at ")}`);
  });
}

export const times: readonly FaultCase[] = [
  {
    name: "a deadline that passes in mid-call",
    agents: ["clerk"],
    together: true,
    promise: "A run whose time is up ends once what became of its call is known.",
    guard: {
      name: "the deadline's timer",
      shows: ["lost"],
      patches: [
        {
          file: "runtime/engine/deadline.ts",
          find: "  return setTimeout(passed,",
          replace: "  if (leftMs > 0) return undefined;\n  return setTimeout(passed,",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      scene.terms.ends = ["failed"];
      const { run, held, release } = await scene.startHeld(
        "clerk",
        scene.random.pick(["arrived", "acted"]),
        scene.random.pick([":book", ":pay"]),
        scene.random.between(600, 700),
      );
      // On a busy machine the time may be up before.
      const call = await Promise.race([scene.come("the call arrives", held), scene.reach(run, "failed")]);
      if (call) await askedOrLate(scene, run, { call, release }, () => Promise.resolve());
    },
  },
  {
    name: "a deadline that passes while no worker runs",
    agents: ["holder", "person"],
    together: true,
    long: true,
    promise: "A run whose time was up before anybody could look ends as soon as somebody can.",
    guard: {
      name: "waking a parked run at its deadline",
      shows: ["stuck"],
      patches: [
        {
          file: "runtime/engine/wake-at.ts",
          find: ", ...(deadline === undefined ? [] : [deadline])]",
          replace: "]",
        },
      ],
    },
    async run(scene) {
      await scene.workers(1);
      scene.terms.ends = ["failed"];
      scene.terms.operator = false;
      const forMs = scene.random.between(700, 900);
      const up = delay(forMs);
      const run = await scene.start(scene.random.pick(["holder", "person"]), forMs);
      await scene.reach(run, "parked", "failed");
      await scene.endWorkers();
      await up;
      await scene.workers(1);
    },
  },
  {
    name: "a sleep whose time comes while no worker runs",
    agents: ["sleeper"],
    together: true,
    promise: "A sleep outlives its worker, and ends as soon as there is one again.",
    guard: WOKEN_WHEN_DUE,
    async run(scene) {
      await scene.workers(1);
      const run = await scene.start("sleeper");
      const up = delay(SLEEP_MS);
      sleepsOnce(scene, run);
      await scene.reach(run, "parked", "finished");
      await scene.endWorkers();
      await up;
      await scene.workers(1);
    },
  },
  {
    name: "kill -9 as a run goes to sleep",
    agents: ["sleeper"],
    long: true,
    promise: "A sleep that is on record ends when it was to end, however often somebody has to begin with it again.",
    guard: {
      name: "the recorded end of a sleep",
      shows: ["stuck", "lost"],
      patches: [
        {
          file: "runtime/engine/make-call.ts",
          find: "const dueAt = recorded?.dueAt ?? until ??",
          replace: "const dueAt = until ??",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      // The time is on record before the park is.
      const parks = scene.wire("before", ["run_parked"], (held, worker) => {
        worker.kill();
        held.cut();
      });
      const run = await scene.start("sleeper");
      sleepsOnce(scene, run);
      await scene.come("it parks", parks);
      await gone(scene);
    },
  },
  {
    name: "kill -9 between two tries of a call",
    agents: ["trier"],
    promise: "A call that failed is tried again under the same key by whoever comes next, so that it counts once.",
    guard: {
      name: "the same key in every try",
      shows: ["duplicated"],
      patches: [
        {
          file: "runtime/engine/make-call.ts",
          find: `  const id = effectId(attempt.head.run, proposal.effect);
  return inTurn(`,
          replace: `  const id = crypto.randomUUID();
  return inTurn(`,
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      const failed = scene.wire("after", ["effect_retried"], (_, worker) => {
        worker.kill();
      });
      const run = await scene.start("trier");
      // It takes effect, and then fails all the same.
      void scene.at("acted", run, () => "drop");
      await scene.come("its failure is on record", failed);
      await gone(scene);
      scene.afterwards(async () => {
        const failures = (await scene.events(run)).flatMap(({ type, data }) =>
          type === "effect_retried" ? [data.failures] : [],
        );
        if (failures.some((count, i) => count !== i + 1))
          scene.violated("lost", `failures were counted ${failures.join(", ")}`);
      });
    },
  },
];
