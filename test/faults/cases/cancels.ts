import type { FaultCase } from "../case.ts";
import { OLGA } from "../operator.ts";
import type { FaultRun, Scene } from "../scene.ts";
import { delay } from "../wait.ts";
import { askedOrLate, gone } from "./kills.ts";

const OTTO = { ...OLGA, name: "otto" };

/**
 * Waits until a run has been told that it is to end.
 *
 * @returns false where it had ended before the run that asked it: a worker that was killed with others on it was
 *   followed by one that did not wait for the call.
 */
async function told(scene: Scene, parent: FaultRun, { run }: Pick<FaultRun, "run">): Promise<boolean> {
  let row: { told: boolean; inTime: boolean } | undefined;
  await scene.until("a run is told to end", async () => {
    [row] = await scene.books.database.query(
      `select exists (select 1 from run_mailbox where run_id = c.run_id and kind = 'cancel') as told,
         coalesce(c.ended_at < p.ended_at, false) as "inTime"
       from runs c, runs p where c.run_id = $1 and p.run_id = $2`,
      [run, parent.run],
    );
    return row?.told === true || row?.inTime === true;
  });
  return row?.told === true;
}

/** Where a worker is so busy that it has not looked before the call is over, what it cancels may have ended. */
const LATE = ["cancelled", "finished"] as const;

export const cancels: readonly FaultCase[] = [
  {
    name: "a cancel while a call runs",
    agents: ["clerk"],
    together: true,
    promise: "A run that is cancelled ends once what became of its call is known, and calls nothing more.",
    guard: {
      name: "settling what was started before a cancelled run ends",
      shows: ["unverified"],
      patches: [
        {
          file: "runtime/engine/attempt.ts",
          find: "const open = await this.#open?.settle(",
          replace: 'const open = ending.status === "cancelled" ? [] : await this.#open?.settle(',
        },
      ],
    },
    provenInTests: true,
    async run(scene) {
      await scene.workers(2);
      scene.terms.ends = ["cancelled"];
      const { run, held, release } = await scene.startHeld(
        "clerk",
        scene.random.pick(["arrived", "acted"]),
        scene.random.pick([":book", ":pay"]),
      );
      const call = await scene.come("the call arrives", held);
      const dies = scene.random.next() < 0.3;
      const asked = await askedOrLate(scene, run, { call, release }, async () => {
        await scene.cancel(run);
        if (dies) await scene.killCaller(call);
        else await scene.meet();
      });
      if (!asked) scene.terms.ends = LATE;
    },
  },
  {
    name: "a cancel reaches the runs that were asked",
    agents: ["asker"],
    together: true,
    long: true,
    promise: "With a cancelled run end the runs that it asked, also where a worker dies in mid-call meanwhile.",
    guard: {
      name: "the cancels of children in the transaction of the run's end",
      shows: ["stuck"],
      patches: [
        {
          file: "runtime/engine/endings.ts",
          find: "...[...open.children].map(",
          replace: "...[].map(",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      scene.terms.ends = ["cancelled"];
      const { run, held, release } = await scene.startHeld("asker", scene.random.pick(["arrived", "acted"]), ":answer");
      const call = await scene.come("the call arrives", held);
      const [child] = await scene.children(run);
      if (!child) throw new Error("There is no child.");
      const dies = scene.random.next() < 0.4;
      const asked = await askedOrLate(scene, run, { call, release }, async () => {
        await scene.cancel(run);
        // Whoever takes over a run that is not told yet asks the bank as well, and goes on.
        if (!(await told(scene, run, child))) scene.terms.ends = LATE;
        if (dies) await scene.killCaller(call);
        else await scene.meet();
      });
      if (!asked) scene.terms.ends = LATE;
      if (!(await told(scene, run, child))) scene.terms.ends = LATE;
    },
  },
  {
    name: "a cancel while the run's ask is on its way",
    agents: ["asker"],
    promise: "What a cancelled run asked for never starts where the ask had not arrived yet.",
    guard: {
      name: "an ask that was taken back starts nothing",
      shows: ["duplicated"],
      patches: [
        {
          file: "runtime/journal/sql.ts",
          find: "where $19::uuid is null or exists (select 1 from asked)",
          replace: "where true",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      scene.terms.ends = ["cancelled"];
      const creating = scene.wire("before", ["create_run", "answerer"]);
      const run = await scene.start("asker");
      const { held, worker } = await scene.come("the ask is received", creating);
      // Or another worker would have it, while a busy machine takes its time to cancel.
      await scene.books.database.query(
        "update outbox set resend_at = clock_timestamp() + interval '2 seconds' where from_run = $1",
        [run.run],
      );
      await scene.cancel(run);
      await scene.reach(run, "cancelled");
      await delay(scene.random.between(0, 30));
      if (scene.random.next() < 0.3) {
        worker.kill();
        held.cut();
        // Who it is brought to next must not start it either.
        await gone(scene);
        await delay(200);
      } else held.forward();
      await delay(60);
      scene.afterwards(async () => {
        const children = await scene.children(run);
        if (children.length > 0) scene.violated("duplicated", `a run that was taken back was started`);
      });
    },
  },
  {
    name: "two operators cancel at once, and the worker that heard them dies",
    agents: ["clerk"],
    long: true,
    promise: "However many cancel a run, and however often that is read, it is cancelled once.",
    guard: {
      name: "a message is taken over once",
      shows: ["duplicated"],
      patches: [
        {
          file: "runtime/engine/incoming.ts",
          find: "    if (record.messages.has(message.id)) continue;\n",
          replace: "",
        },
        {
          file: "runtime/engine/incoming.ts",
          find: 'if (record.cancel === null && !events.some(({ type }) => type === "cancel_requested")) events.push(event);',
          replace: "events.push(event);",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      scene.terms.ends = ["cancelled"];
      const { run, held, release } = await scene.startHeld("clerk", "acted", scene.random.pick([":book", ":pay"]));
      await scene.come("the call is made", held);
      const heard = scene.wire("after", ["cancel_requested"], (_, worker) => {
        worker.kill();
      });
      // Whichever comes second is told that somebody was first, or that it has ended.
      await Promise.allSettled(scene.random.shuffled([OLGA, OTTO]).map((by) => scene.cancel(run, by)));
      await scene.come("the cancel is on record", heard);
      release();
      await gone(scene);
      scene.afterwards(async () => {
        const requests = (await scene.events(run)).filter(({ type }) => type === "cancel_requested");
        if (requests.length !== 1) scene.violated("duplicated", `${String(requests.length)} cancels are on record`);
      });
    },
  },
];
