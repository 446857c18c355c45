import type { FaultCase } from "../case.ts";
import { answerAll, approveAll } from "../operator.ts";
import type { FaultRun, Scene } from "../scene.ts";
import { delay } from "../wait.ts";
import { gone, LEFT_BEHIND } from "./kills.ts";

/** Gives a parked run what it waits for, as soon as it has asked for it. */
async function tell(scene: Scene, { agent }: FaultRun): Promise<void> {
  await scene.until("somebody is asked", async () => (await (agent === "holder" ? approveAll : answerAll)(scene)) > 0);
}

export const waits: readonly FaultCase[] = [
  {
    name: "kill -9 at a park",
    agents: ["holder", "person"],
    long: true,
    promise: "A run that dies while it parks waits all the same, and is woken once.",
    guard: LEFT_BEHIND,
    async run(scene) {
      await scene.workers(2);
      const side = scene.random.pick(["before", "before", "after"] as const);
      const parked = scene.wire(side, ["run_parked"], (_, worker) => {
        worker.kill();
      });
      const run = await scene.start(scene.random.pick(["holder", "person"]));
      const { held } = await scene.come("it parks", parked);
      held.cut();
      await gone(scene);
      if (side === "after") await scene.reach(run, "parked");
    },
  },
  {
    name: "kill -9 at a wake",
    agents: ["holder", "person"],
    promise: "What woke a run reaches it, although the worker that took it died on the way.",
    guard: {
      name: "a message is taken with its event, not before",
      shows: ["stuck"],
      patches: [
        {
          file: "runtime/journal/sql.ts",
          find: `select r.mailbox_seq, m.msg_id, m.kind, m.data
from runs r`,
          replace: `with taken as (update runs set mailbox_taken = mailbox_seq where run_id = $1)
select r.mailbox_seq, m.msg_id, m.kind, m.data
from runs r`,
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      scene.terms.operator = false;
      const run = await scene.start(scene.random.pick(["holder", "person"]));
      await scene.reach(run, "parked");
      const taken = run.agent === "holder" ? "approval_decided" : "effect_finished";
      const side = scene.random.pick(["before", "before", "after"] as const);
      const woken = scene.wire(side, [taken], (held, worker) => {
        worker.kill();
        held.cut();
      });
      await tell(scene, run);
      await scene.come("it is woken", woken);
      await gone(scene);
    },
  },
  {
    name: "an approval is consumed while its worker dies",
    agents: ["holder"],
    long: true,
    promise: "An approval is used for one call, in the transaction that writes its intent, and for none besides.",
    guard: {
      name: "consuming the approval with the intent",
      shows: ["unverified"],
      patches: [
        {
          file: "runtime/engine/make-call.ts",
          find: 'const views: ViewWrite[] = approval === null ? [] : [{ view: "approval_consumed", approval }];',
          replace: "const views: ViewWrite[] = [];",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      const consumed = scene.wire(
        scene.random.pick(["before", "after"]),
        ["effect_intended", "bank.held"],
        (held, worker) => {
          worker.kill();
          held.cut();
        },
      );
      const run = await scene.start("holder");
      scene.terms.operator = false;
      await tell(scene, run);
      await scene.come("the approval is consumed", consumed);
      await gone(scene);
    },
  },
  {
    name: "a wake exactly while the run parks",
    agents: ["holder", "person"],
    promise: "A run that is told what it waits for while it parks does not park.",
    guard: {
      name: "the mailbox check in the parking append",
      shows: ["stuck"],
      patches: [
        {
          file: "runtime/journal/sql.ts",
          find: "when b.status = 'parked' and r.mailbox_seq > coalesce(b.mailbox_taken, r.mailbox_taken) then 'ready'",
          replace: "when b.status = 'parked' and r.mailbox_seq < 0 then 'ready'",
        },
      ],
    },
    async run(scene) {
      await scene.workers(1);
      scene.terms.operator = false;
      const parking = scene.wire("before", ["run_parked"]);
      const run = await scene.start(scene.random.pick(["holder", "person"]));
      const { held } = await scene.come("it parks", parking);
      await tell(scene, run);
      await delay(scene.random.between(0, 30));
      held.forward();
    },
  },
  {
    name: "kill -9 of the asker as it asks",
    agents: ["asker", "both"],
    promise: "An ask that is on record reaches its agent once, although its sender died before it could send it.",
    guard: {
      name: "the sweep of the outbox",
      shows: ["stuck"],
      patches: [
        {
          file: "runtime/engine/sweeps.ts",
          find: "for (const { message, copy } of await housekeeping.unreceivedMessages()) mailer.sendCopy(message, copy);",
          replace: "await housekeeping.workerSeen(this.#options.worker);",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      const asked = scene.wire(
        scene.random.pick(["before", "after"]),
        ["message_sent", "mail.answerer"],
        (held, worker) => {
          worker.kill();
          held.cut();
        },
      );
      await scene.start(scene.random.pick(["asker", "both"]));
      await scene.come("it asks", asked);
      await gone(scene);
    },
  },
  {
    name: "kill -9 of the answerer as it answers",
    agents: ["asker"],
    long: true,
    promise: "An answer is on record with the end of its run, so that it reaches the asker whatever happens then.",
    guard: {
      name: "the answer's row in the transaction of the run's end",
      shows: ["stuck"],
      patches: [
        {
          file: "runtime/engine/attempt.ts",
          find: '          ...sent.map((message): ViewWrite => ({ view: "message_out", message })),\n',
          replace: "",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      const answered = scene.wire(
        scene.random.pick(["before", "after"]),
        ["message_sent", "mail.asker"],
        (held, worker) => {
          worker.kill();
          held.cut();
        },
      );
      await scene.start("asker");
      await scene.come("it answers", answered);
      await gone(scene);
    },
  },
  {
    name: "kill -9 of the receiver of a message",
    agents: ["asker"],
    promise: "A message that was with a worker that died is brought to another one soon, not when NATS has given up.",
    guard: {
      name: "copies that JetStream does not take for duplicates",
      shows: ["stuck"],
      patches: [
        {
          file: "runtime/bus/nats-bus.ts",
          find: "const msgID = copy === 1 ? id : `${id}:${String(copy)}`;",
          replace: "const msgID = id;",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      const received = scene.wire(
        "before",
        scene.random.pick([
          ["create_run", "answerer"],
          ["deliver", "answer"],
        ]),
        (held, worker) => {
          worker.kill();
          held.cut();
        },
      );
      await scene.start("asker");
      await scene.come("a message is received", received);
      await gone(scene);
    },
  },
];
