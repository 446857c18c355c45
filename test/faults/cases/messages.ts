import { PATIENT } from "../agents.ts";
import type { FaultCase } from "../case.ts";
import type { Scene } from "../scene.ts";
import { delay } from "../wait.ts";

/** Messages of one key are handled in the order in which they were sent. */
function inOrder(scene: Scene): void {
  scene.afterwards(() => {
    for (const { id } of scene.runs) {
      const places = scene.bank.acts.flatMap((act) =>
        act.id.startsWith(`${id}:m`) ? [Number(act.id.slice(`${id}:m`.length))] : [],
      );
      if (places.some((place, i) => place < (places[i - 1] ?? 0))) {
        scene.violated("unverified", `the messages of ${id} were handled in the order ${places.join(", ")}`);
      }
    }
  });
}

export const messages: readonly FaultCase[] = [
  {
    name: "kill -9 of the sender as it sends to a queue",
    agents: ["sender"],
    promise: "A message that goes one way is sent with its event, once, and those of one key are handled in order.",
    guard: {
      name: "the message's row in the transaction of its event",
      shows: ["lost", "stuck"],
      patches: [{ file: "runtime/engine/one-way.ts", find: ", ...outgoing(sent)];", replace: "];" }],
    },
    async run(scene) {
      inOrder(scene);
      await scene.workers(2);
      const sent = scene.wire(
        scene.random.pick(["before", "after"]),
        ["message_sent", "mail.collector"],
        (held, worker) => {
          worker.kill();
          held.cut();
        },
      );
      await scene.start("sender");
      await scene.come("it sends", sent);
      await scene.another();
    },
  },
  {
    name: "kill -9 of a run's worker as it receives a message",
    agents: ["sender"],
    promise: "A message is received once, whatever becomes of the worker that received it.",
    guard: {
      name: "taking a message in the append that records it",
      shows: ["duplicated", "stuck", "lost"],
      patches: [
        {
          file: "runtime/engine/receive-call.ts",
          find: '{ views: [{ view: "mail_taken", message: envelope.id }] }',
          replace: "{}",
        },
      ],
    },
    async run(scene) {
      inOrder(scene);
      await scene.workers(2);
      const received = scene.wire(
        scene.random.pick(["before", "after"]),
        ["message_received", "mail.collector"],
        (held, worker) => {
          worker.kill();
          held.cut();
        },
      );
      await scene.start("sender");
      await scene.come("it receives", received);
      await scene.another();
    },
  },
  {
    name: "NATS is killed and its data wiped while a queue is sent to",
    agents: ["sender"],
    together: true,
    long: true,
    promise: "The order of a queue is that of the sending, however much of it NATS loses or brings late.",
    guard: {
      name: "looking for the first message of the sender, and of the queue",
      shows: ["unverified"],
      patches: [
        {
          file: "runtime/journal/messages-sql.ts",
          find: "    order by before.place limit 1)",
          replace: "    order by before.place desc limit 1)",
        },
        {
          file: "runtime/journal/messages-sql.ts",
          find: "and ${WAITS} order by place limit 1`",
          replace: "and ${WAITS} order by place desc limit 1`",
        },
      ],
    },
    async run(scene) {
      inOrder(scene);
      await scene.workers(2, PATIENT);
      await scene.start("sender");
      await delay(scene.random.between(0, 60));
      await scene.toAll("NATS loses all", () => scene.lane.nats.lose());
      await scene.start("sender");
      await delay(scene.random.between(0, 200));
      await scene.toAll("NATS starts", () => scene.lane.nats.start());
    },
  },
  {
    name: "a run ends while messages come for its queue",
    agents: ["sender"],
    together: true,
    long: true,
    promise: "What a run has not received when it ends starts the next run of its queue.",
    guard: {
      name: "giving back what lies in the mailbox",
      shows: ["lost", "stuck"],
      patches: [
        {
          file: "runtime/journal/views.ts",
          find: "await sql.query(CLOSE_MAILBOX, [head.run]);",
          replace: "",
        },
      ],
    },
    async run(scene) {
      inOrder(scene);
      await scene.workers(2, PATIENT);
      await scene.start("sender");
    },
  },
];
