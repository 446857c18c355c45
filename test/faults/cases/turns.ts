import { AT_ONCE } from "../agents.ts";
import type { FaultCase, Guard } from "../case.ts";
import { delay } from "../wait.ts";

/** More runs than may go on at once, on workers of which one is killed while it has its turns. */
function atMost(options: {
  readonly name: string;
  readonly promise: string;
  readonly agent: "queuer" | "few";
  readonly workers: number;
  readonly guard: Guard;
}): FaultCase {
  const { name, promise, agent, workers, guard } = options;
  return {
    name,
    agents: [agent],
    promise,
    guard,
    long: agent === "few",
    async run(scene) {
      await scene.workers(workers);
      const most = scene.bank.crowd(
        ({ id }) => id.endsWith(agent === "few" ? ":few" : ":scarce"),
        () => delay(scene.random.between(20, 60)),
      );
      const called = scene.bank.once(
        "before",
        ({ id }) => scene.runs.some((run) => id.startsWith(run.id)),
        () => "go",
      );
      await scene.startAll(agent, agent, agent, agent, agent);
      const call = await scene.come("a call is made", called);
      await delay(scene.random.between(0, 60));
      scene.workerOf(call).kill();
      scene.afterwards(() => {
        if (most() > AT_ONCE) scene.violated("duplicated", `${String(most())} were under way at once`);
      });
    },
  };
}

export const turns: readonly FaultCase[] = [
  atMost({
    name: "kill -9 of a worker that has turns at a tool",
    promise: "No more calls of a tool are under way than it allows, and the turns of the dead come back.",
    agent: "queuer",
    workers: 2,
    guard: {
      name: "a turn before a call",
      shows: ["duplicated"],
      patches: [
        {
          file: "runtime/engine/turn.ts",
          find: "if (concurrency === undefined) return work(FREE_TURN);",
          replace: "if (concurrency !== 0) return work(FREE_TURN);",
        },
      ],
    },
  }),
  atMost({
    name: "kill -9 of one of three workers that share an agent of which two may run",
    promise: "No more runs of an agent are under way than it allows, on however many workers.",
    agent: "few",
    workers: 3,
    guard: {
      name: "the limit of an agent",
      shows: ["duplicated"],
      patches: [
        {
          file: "runtime/engine/intake.ts",
          find: "agent.concurrency === undefined ? []",
          replace: "agent.concurrency !== 0 ? []",
        },
      ],
    },
  }),
];
