import { randomUUID } from "node:crypto";
import { connect, type NatsConnection } from "nats";
import { defineConfig } from "signalbox";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Envelope, SignedEnvelope } from "../../../runtime/core/bus.ts";
import { Mailer } from "../../../runtime/engine/mailer.ts";
import { createHousekeeping } from "../../../runtime/journal/housekeeping.ts";
import { dataOf, oneNodeAgent } from "../../support/one-node-agent.ts";
import { startTestPlatform, type TestPlatform } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

let platform: TestPlatform;
let client: NatsConnection;
const mail: SignedEnvelope[] = [];

const clerk = oneNodeAgent("clerk", ({ n }) => Promise.resolve({ n: n + 1 }));
const boss = oneNodeAgent("boss", async ({ n }, { agents }) => ({ got: await agents["clerk"]?.ask({ n }) }), {
  agents: { clerk },
});

beforeAll(async () => {
  platform = await startTestPlatform();
  client = await connect({ servers: platform.nats.url });
  client.subscribe("mail.clerk", {
    callback: (_, message) => {
      // Only the first is what was really sent.
      if (mail.length === 0) mail.push(message.json<SignedEnvelope>());
    },
  });
  const config = defineConfig({ agents: [boss, clerk], rules: [await rulesFile(PERMIT_ALL)] });
  await platform.worker(config);
  await platform.reach(await platform.start(config, "boss", { n: 1 }), "finished");
  await until(() => mail.length === 1);
});
afterAll(async () => {
  await client.close();
  await platform[Symbol.asyncDispose]();
});

/** What was sent as the only ask, with some of it changed. */
function genuine(changes: Partial<Envelope> = {}): Envelope {
  const [first] = mail;
  if (!first) throw new Error("Nothing was sent.");
  return { ...first.envelope, ...changes };
}

/** Somebody who can register a worker, and so sign for its agents. */
async function signer(agents: readonly string[]): Promise<Mailer> {
  const housekeeping = createHousekeeping(platform.database);
  const worker = `signer-${randomUUID()}`;
  const mailer = new Mailer({
    worker,
    bus: { mail: () => Promise.resolve() },
    keys: (id) => housekeeping.workerKey(id),
    onSendError: () => undefined,
  });
  const { publicKey } = mailer;
  await housekeeping.registerWorker({
    worker,
    publicKey,
    leaseMs: 1_000,
    versions: new Map(agents.map((agent) => [agent, "1"])),
  });
  return mailer;
}

async function quarantined(): Promise<
  { reason: string; detail: string; subject: string; text: string; times: number }[]
> {
  return platform.database.query(
    "select reason, detail, subject, text, times from quarantined_messages order by first_at, id",
  );
}

async function runs(): Promise<number> {
  const [row] = await platform.database.query<{ n: number }>("select count(*)::int as n from runs");
  return row?.n ?? 0;
}

const CASES: readonly [reason: string, what: () => string | Promise<string>][] = [
  ["malformed", () => "no JSON at all"],
  ["malformed", () => JSON.stringify({ envelope: { v: 1, id: randomUUID() }, worker: "w", signature: "aaaa" })],
  ["oversized", () => JSON.stringify("x".repeat(1_045_000))],
  ["wrong_version", () => JSON.stringify({ envelope: { ...genuine(), v: 2 }, worker: "w", signature: "aaaa" })],
  ["unsigned", () => JSON.stringify({ envelope: genuine({ id: randomUUID() }), worker: "w", signature: "" })],
  ["forged", () => JSON.stringify({ envelope: genuine({ id: randomUUID() }), worker: "w", signature: "aaaa" })],
  // The signature is of another envelope.
  ["forged", () => JSON.stringify({ ...mail[0], envelope: genuine({ body: { n: 1_000 } }) })],
  // Signed as it should be, by a worker that does not have the sender's agent.
  [
    "forged",
    async () => JSON.stringify((await signer(["somebody"])).sign(genuine({ id: randomUUID(), target: randomUUID() }))),
  ],
  // Signed by one that has it, and in nobody's outbox.
  [
    "unknown",
    async () => JSON.stringify((await signer(["boss"])).sign(genuine({ id: randomUUID(), target: randomUUID() }))),
  ],
  // The same id, other words.
  ["forged", async () => JSON.stringify((await signer(["boss"])).sign(genuine({ body: { n: 1_000 } })))],
  ["misdirected", async () => JSON.stringify((await signer(["boss"])).sign(genuine({ to: "boss" })))],
  ["replayed", () => JSON.stringify(mail[0])],
];

test.each(CASES)("what is %s - is put in quarantine with its reason, and starts nothing", async (reason, what) => {
  await platform.database.query("delete from quarantined_messages");
  const before = await runs();
  const text = await what();
  await client.jetstream().publish("mail.clerk", text);
  await until(async () => (await quarantined()).length > 0);
  const [kept] = await quarantined();
  expect(kept).toMatchObject({ reason, subject: "mail.clerk", times: 1 });
  expect(text.startsWith(kept?.text ?? "?")).toBe(true);
  await client.jetstream().publish("mail.clerk", text);
  await until(async () => (await quarantined())[0]?.times === 2);
  expect(await runs()).toBe(before);
});

test("an answer under somebody else's run - is put in quarantine, and the asker waits on", async () => {
  await platform.database.query("delete from quarantined_messages");
  const answer = genuine({ id: randomUUID(), kind: "answer", from: "clerk", to: "boss", body: { ok: true, value: 1 } });
  await client.jetstream().publish("mail.boss", JSON.stringify((await signer(["clerk"])).sign(answer)));
  await until(async () => (await quarantined())[0]?.reason === "unknown");
  const events = await platform.journal.read(genuine().run ?? "");
  expect(dataOf(events, "effect_finished")).toHaveLength(1);
});
