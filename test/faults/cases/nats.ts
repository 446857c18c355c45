import { connect, type NatsConnection } from "nats";
import { PATIENT } from "../agents.ts";
import type { FaultCase } from "../case.ts";
import type { Random } from "../random.ts";
import type { Scene } from "../scene.ts";
import { delay } from "../wait.ts";

/** One that sees all mail, of whatever seed. */
async function client(scene: Scene): Promise<NatsConnection> {
  const connection = await connect({ servers: scene.lane.nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  scene.cleanup(() => connection.close());
  return connection;
}

/** A run or two that ask, and one that does not. */
async function talk(scene: Scene): Promise<void> {
  await scene.startAll(scene.random.pick(["asker", "both"]), "clerk");
  await delay(scene.random.between(0, 60));
}

/** Messages to bring once more. */
class Copies {
  readonly #connection: NatsConnection;
  readonly #random: Random;
  readonly #kept: { readonly subject: string; readonly data: Uint8Array }[] = [];

  constructor(connection: NatsConnection, random: Random) {
    this.#connection = connection;
    this.#random = random;
  }

  keep({ subject, data }: { readonly subject: string; readonly data: Uint8Array }): void {
    this.#kept.push({ subject, data });
  }

  /** Brings all that was kept, in some order. */
  async publish(): Promise<void> {
    const jetstream = this.#connection.jetstream();
    for (const { subject, data } of this.#random.shuffled(this.#kept)) await jetstream.publish(subject, data);
  }
}

/** From now on each message comes up to ten times more, soon. */
async function copier(scene: Scene): Promise<Copies> {
  const connection = await client(scene);
  const copies = new Copies(connection, scene.random);
  const jetstream = connection.jetstream();
  connection.subscribe("mail.>", {
    callback: (error, message) => {
      // Ours carry no id for JetStream, so that it cannot drop them either.
      if (error || !message.headers?.has("Nats-Msg-Id")) return;
      const { subject, data } = message;
      copies.keep({ subject, data });
      for (let n = scene.random.between(1, 10); n > 0; n--) {
        setTimeout(() => void jetstream.publish(subject, data).catch(() => undefined), scene.random.between(0, 40));
      }
    },
  });
  await connection.flush();
  return copies;
}

const CONSUMERS = ["mail-answerer", "mail-asker", "mail-both"];

/** One more that takes messages as a worker does: gives some back after a while, and keeps copies of them. */
async function thief(scene: Scene): Promise<{ readonly copies: Copies; readonly stop: () => Promise<void> }> {
  const connection = await client(scene);
  const copies = new Copies(connection, scene.random);
  const jetstream = connection.jetstream();
  // What was with workers of earlier seeds when they were killed comes again only after half a minute.
  await (await connection.jetstreamManager()).streams.purge("SIGNALBOX_MAIL");
  let over = false;
  const steal = async (consumer: string): Promise<void> => {
    const stolen = await jetstream.consumers.get("SIGNALBOX_MAIL", consumer);
    while (!over) {
      for await (const message of await stolen.fetch({ max_messages: 2, expires: 1_000 })) {
        copies.keep(message);
        message.nak(scene.random.between(1, 150));
      }
    }
  };
  const thefts = CONSUMERS.map((consumer) => steal(consumer).catch(() => undefined));
  return {
    copies,
    async stop() {
      over = true;
      await Promise.all(thefts);
    },
  };
}

export const nats: readonly FaultCase[] = [
  {
    name: "NATS is restarted",
    agents: ["asker", "both", "clerk"],
    together: true,
    long: true,
    promise: "What is asked and answered while NATS is away arrives once it is back.",
    guard: {
      name: "reconnecting for as long as it takes",
      shows: ["stuck"],
      patches: [{ file: "runtime/bus/nats-bus.ts", find: "maxReconnectAttempts: -1,", replace: "reconnect: false," }],
    },
    async run(scene) {
      await scene.workers(2, PATIENT);
      await talk(scene);
      await scene.toAll("NATS stops", () => scene.lane.nats.stop());
      await scene.start("asker");
      await delay(scene.random.between(0, 200));
      await scene.toAll("NATS starts", () => scene.lane.nats.start());
      await scene.start("asker");
    },
  },
  {
    name: "NATS is killed and its data wiped",
    agents: ["asker", "both", "clerk"],
    together: true,
    promise: "NATS may lose everything: what was asked and answered is in Postgres, and is sent again.",
    guard: {
      name: "opening consumers anew where they are gone",
      shows: ["stuck"],
      patches: [
        {
          file: "runtime/bus/nats-bus.ts",
          find: "for (const messages of this.#consumers) messages.stop();",
          replace: "",
        },
        { file: "runtime/bus/nats-bus.ts", find: ", abort_on_missing_resource: true", replace: "" },
      ],
    },
    async run(scene) {
      await scene.workers(2, PATIENT);
      await talk(scene);
      await scene.toAll("NATS loses all", () => scene.lane.nats.lose());
      await scene.start("asker");
      await delay(scene.random.between(0, 200));
      await scene.toAll("NATS starts", () => scene.lane.nats.start());
      await scene.start("both");
    },
  },
  {
    name: "messages are duplicated, redelivered ten times and late",
    agents: ["asker", "both"],
    together: true,
    promise: "A message that comes again, even after all is over, starts nothing and answers nothing twice.",
    guard: {
      name: "the run that an ask starts is named in it",
      shows: ["stuck", "duplicated"],
      patches: [
        {
          file: "runtime/engine/begin-run.ts",
          find: '    run: envelope.target ?? derivedUuid(envelope.id, "run"),',
          replace: "    run: crypto.randomUUID(),",
        },
      ],
    },
    async run(scene) {
      await scene.workers(2, PATIENT);
      const copies = await scene.toAll("all is copied", () => copier(scene));
      const runs = await scene.startAll("asker", "both");
      for (const run of runs) await scene.reach(run, "finished", "failed");
      await scene.toAll("all comes again", () => copies.publish());
      await delay(60);
    },
  },
  {
    name: "messages are held back and come in another order",
    agents: ["asker", "both"],
    together: true,
    long: true,
    promise: "Asks and answers find where they belong in whatever order and however often they are delivered.",
    guard: {
      // Each of the two is enough: the first spares the second most of its work.
      name: "what was received is left, and a run that an ask has started is not started again",
      shows: ["stuck"],
      patches: [
        {
          file: "runtime/engine/receive-mail.ts",
          find: `    if (arrival.state !== "waiting" || !arrival.first) return;
    await bring(context, arrival.first);
    if (arrival.first.envelope.id === id) return;`,
          replace: `    await bring(context, signed);
    return;`,
        },
        {
          file: "runtime/journal/sql.ts",
          find: `  where $19::uuid is null or exists (select 1 from asked)
  on conflict do nothing`,
          replace: `  where $19::uuid is null or exists (select 1 from asked)`,
        },
      ],
    },
    async run(scene) {
      await scene.workers(2, PATIENT);
      const { copies, stop } = await scene.toAll("a thief comes", () => thief(scene));
      const runs = await scene.startAll("both", "asker", "both");
      for (const run of runs) await scene.reach(run, "finished", "failed");
      await scene.toAll("the thief goes", async () => {
        await Promise.all([copies.publish(), stop()]);
      });
      const connection = await client(scene);
      const manager = await connection.jetstreamManager();
      const handled = async (): Promise<boolean> => (await manager.streams.info("SIGNALBOX_MAIL")).state.messages === 0;
      // Soon: what comes again is done with, and not tried until it is given up.
      await scene.until("all mail is handled", handled, 5_000);
    },
  },
];
