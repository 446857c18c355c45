import { releaseRun } from "../../../runtime/operations/runs.ts";
import { deliverIn } from "../../../runtime/journal/deliver.ts";
import type { FaultCase } from "../case.ts";
import { OLGA } from "../operator.ts";
import type { FaultRun, Scene } from "../scene.ts";
import { gone } from "./kills.ts";

/** As the second process that a worker starts for runs that may have crashed it: one run at a time. */
const ALONE = { take: "suspects", slots: 1, leaseMs: 600 } as const;
/** Who stands still for a while on a slow machine must not look as if it had crashed. */
const SOUND = { take: "sound", leaseMs: 600 } as const;

async function release(scene: Scene, { run }: FaultRun): Promise<void> {
  const { database } = scene.books;
  const woken = await releaseRun({ database, deliver: deliverIn }, OLGA, { run, reason: "Its tool is mended." });
  if (woken) scene.lane.bus.wake(woken.agent, [woken.run]);
}

async function quarantines(scene: Scene, run: FaultRun): Promise<number> {
  return (await scene.events(run)).filter(({ type }) => type === "run_quarantined").length;
}

export const quarantine: readonly FaultCase[] = [
  {
    name: "a run that crashes its workers",
    agents: ["clerk"],
    promise: "It is left alone after three crashes of its own, its neighbours are not blamed, and once mended it ends.",
    guard: {
      name: "a run that may have crashed a worker goes on alone",
      shows: ["lost"],
      patches: [
        {
          file: "runtime/journal/sql.ts",
          find: '{ all: "true", sound: "crashes = 0", suspects: "crashes > 0" }',
          replace: '{ all: "true", sound: "true", suspects: "true" }',
        },
      ],
    },
    long: true,
    async run(scene) {
      await scene.worker(SOUND);
      const bystander = await scene.startHeld("clerk", "before", ":upsert");
      await scene.come("the bystander is at work", bystander.held);
      let mended = false;
      const poison = await scene.startPoisoned("clerk", ":upsert", () => mended);
      await gone(scene);
      bystander.release();
      const sound = await scene.another(SOUND);
      await scene.until("the run is in quarantine", async () => {
        const status = await scene.status(poison);
        if (status === "quarantined") return true;
        if (!scene.lane.workers.some(({ alive, kind }) => alive && kind.includes("suspects")))
          await scene.another(ALONE);
        return false;
      });
      await scene.reach(bystander.run, "finished");
      if (!sound.alive) scene.violated("lost", "a worker died of a run that was known to crash workers");
      mended = true;
      await release(scene, poison);
      scene.afterwards(async () => {
        if ((await quarantines(scene, bystander.run)) > 0) scene.violated("lost", "the bystander was blamed");
        if ((await quarantines(scene, poison)) !== 1) scene.violated("lost", "it was not in quarantine once");
      });
    },
  },
];
