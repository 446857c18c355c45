import { connect, type NatsConnection } from "nats";
import { PATIENT } from "../agents.ts";
import type { FaultCase } from "../case.ts";
import type { Scene } from "../scene.ts";
import { delay } from "../wait.ts";

async function client(scene: Scene): Promise<NatsConnection> {
  const connection = await connect({ servers: scene.lane.nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  scene.cleanup(() => connection.close());
  return connection;
}

/** Some runs that ask, and some that do not. */
async function talk(scene: Scene): Promise<void> {
  await scene.startAll("asker", "both", "asker", "clerk");
  await delay(scene.random.between(0, 60));
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
      await scene.toAll("NATS loses all", async () => {
        await scene.lane.nats.stop("SIGKILL");
        await scene.lane.nats.wipe();
      });
      await scene.start("asker");
      await delay(scene.random.between(0, 200));
      await scene.toAll("NATS starts", () => scene.lane.nats.start());
      await scene.start("both");
    },
  },
  {
    name: "messages are duplicated, redelivered ten times and late",
    agents: ["asker", "both"],
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
      await scene.workers(2);
      const connection = await client(scene);
      const seen: { subject: string; data: Uint8Array }[] = [];
      connection.subscribe("mail.>", {
        callback: (error, message) => {
          // Ours carry no id for JetStream, so that it cannot drop them either.
          if (error || !message.headers?.has("Nats-Msg-Id")) return;
          const copy = { subject: message.subject, data: message.data };
          seen.push(copy);
          const jetstream = connection.jetstream();
          for (let n = scene.random.between(1, 10); n > 0; n--) {
            setTimeout(
              () => void jetstream.publish(copy.subject, copy.data).catch(() => undefined),
              scene.random.between(0, 40),
            );
          }
        },
      });
      await connection.flush();
      const runs = await scene.startAll("asker", "both");
      for (const run of runs) await scene.reach(run, "finished", "failed");
      const jetstream = connection.jetstream();
      for (const { subject, data } of scene.random.shuffled(seen)) await jetstream.publish(subject, data);
      await delay(60);
    },
  },
  {
    name: "messages are held back and come in another order",
    agents: ["asker", "both"],
    long: true,
    promise: "Asks and answers find where they belong in whatever order and however often they are delivered.",
    guard: {
      name: "a run that an ask has started is not started again",
      shows: ["stuck"],
      patches: [
        {
          file: "runtime/journal/sql.ts",
          find: `  where $19::uuid is null or exists (select 1 from asked)
  on conflict do nothing`,
          replace: `  where $19::uuid is null or exists (select 1 from asked)`,
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      const connection = await client(scene);
      const jetstream = connection.jetstream();
      // What was with workers of earlier seeds when they were killed comes again only after half a minute.
      await (await connection.jetstreamManager()).streams.purge("SIGNALBOX_MAIL");
      const held: { subject: string; data: Uint8Array }[] = [];
      let over = false;
      // One more that takes messages as a worker does: gives some back after a while, and hands in copies of others.
      const steal = async (consumer: string): Promise<void> => {
        const stolen = await jetstream.consumers.get("SIGNALBOX_MAIL", consumer);
        while (!over) {
          const batch = await stolen.fetch({ max_messages: 2, expires: 1_000 });
          for await (const message of batch) {
            held.push({ subject: message.subject, data: message.data });
            message.nak(scene.random.between(1, 150));
          }
        }
      };
      const thieves = ["mail-answerer", "mail-asker", "mail-both"].map((consumer) =>
        steal(consumer).catch(() => undefined),
      );
      const runs = await scene.startAll("both", "asker", "both");
      for (const run of runs) await scene.reach(run, "finished", "failed");
      over = true;
      for (const { subject, data } of scene.random.shuffled(held)) await jetstream.publish(subject, data);
      await Promise.all(thieves);
      await scene.until("all mail is handled", async () => {
        const manager = await connection.jetstreamManager();
        return (await manager.streams.info("SIGNALBOX_MAIL")).state.messages === 0;
      });
    },
  },
];
