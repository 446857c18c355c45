import { connect } from "nats";
import { defineConfig, type SignalboxConfig } from "signalbox";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import type { JsonValue } from "../../../runtime/core/json.ts";
import type { Published, QuarantinedMessagesPage } from "../../../runtime/core/messages-protocol.ts";
import type { Health, QueueView } from "../../../runtime/core/protocol.ts";
import type { Caller } from "../../support/console.ts";
import { codeOf } from "../../support/http.ts";
import { agentWith, dataOf } from "../../support/one-node-agents.ts";
import { startPlatformConsole, type PlatformConsole } from "../../support/platform-console.ts";
import { startTestPlatform, type TestPlatform } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

const trucks = agentWith("trucks", (_, { messages }) => Promise.resolve({ got: messages.opening()?.body }), {
  on: "sensors.cold-chain.>",
  input: z.unknown() as unknown as z.ZodType<never>,
});
const pairs = agentWith(
  "pairs",
  async ({ n }, { messages }) => ({ got: [n, ((await messages.receive()).body as { n: number }).n] }),
  { on: "pairs.*" },
);
const narrow = agentWith("narrow", () => Promise.resolve({}), { on: "full.>", queue: 1 });
const wide = agentWith("wide", () => Promise.resolve({}), { on: "full.>" });
const witness = agentWith("witness", () => Promise.resolve({}));

let platform: TestPlatform;
let config: SignalboxConfig;
let served: PlatformConsole;
let gateway: Caller;
let olga: Caller;

beforeAll(async () => {
  platform = await startTestPlatform();
  config = defineConfig({ agents: [trucks, pairs, narrow, wide, witness], rules: [await rulesFile(PERMIT_ALL)] });
  served = await startPlatformConsole(platform, config);
  gateway = await served.caller("gateway", ["operator"], { kind: "service" });
  olga = await served.caller("olga", ["operator"]);
  // So that it is known who listens.
  await (await platform.worker(config)).close();
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await platform[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await platform.database.query("update outbox set dead_at = clock_timestamp() where taken_at is null");
});

async function published(by: Caller, topic: string, message: { body: JsonValue; [more: string]: JsonValue }) {
  const answer = await by.post(`/api/topics/${topic}`, message);
  expect(answer.text).toContain("receivers");
  return { status: answer.status, ...(answer.json() as Published) };
}

async function runStartedBy(message: string | undefined): Promise<string> {
  let run: string | undefined;
  await until(async () => {
    const [row] = await platform.database.query<{ to_run: string | null }>(
      "select to_run from outbox where msg_id = $1 and taken_at is not null",
      [message],
    );
    run = row?.to_run ?? undefined;
    return run !== undefined;
  });
  return run ?? "";
}

describe("publishing from outside", () => {
  test("starts a run of each agent that listens, in the publisher's name, with the message on record", async () => {
    await using _ = await platform.worker(config);
    const { status, receivers, messages } = await published(gateway, "sensors.cold-chain.truck-7", {
      body: { celsius: 9 },
      labels: ["telemetry"],
    });
    expect([status, receivers]).toEqual([201, ["trucks"]]);
    const run = await runStartedBy(messages[0]);
    const [started] = dataOf(await platform.reach(run, "finished"), "run_started");
    expect(started).toMatchObject({
      session: run,
      depth: 0,
      startedBy: { kind: "service", id: "gateway" },
      labels: ["telemetry"],
      message: {
        message: messages[0],
        kind: "publish",
        from: "service:gateway",
        to: "trucks",
        topic: "sensors.cold-chain.truck-7",
        key: "sensors.cold-chain.truck-7",
      },
    });
    expect(started?.cause).toBeUndefined();
    expect(started?.message?.sender).toBeUndefined();
  });

  test("messages of one key reach one run, in order, each on its record", async () => {
    const sent: Published[] = [];
    for (const n of [1, 2, 3, 4]) sent.push(await published(olga, "pairs.a", { body: { n }, key: "k" }));
    await using _ = await platform.worker(config);
    const [first, second] = [await runStartedBy(sent[0]?.messages[0]), await runStartedBy(sent[2]?.messages[0])];
    const events = await platform.reach(first, "finished");
    expect(dataOf(events, "run_finished")[0]?.output).toMatchObject({ got: [1, 2] });
    expect(dataOf(events, "message_received")).toMatchObject([
      { message: sent[1]?.messages[0], from: "person:olga", to: "pairs", topic: "pairs.a", key: "k" },
    ]);
    expect(dataOf(await platform.reach(second, "finished"), "run_finished")[0]?.output).toMatchObject({ got: [3, 4] });
  });

  test("plain data that looks like a mark of the record's arrives as plain data", async () => {
    await using _ = await platform.worker(config);
    const body = { at: { $type: "date", value: "2026-01-01T00:00:00.000Z" }, nothing: { $type: "undefined" } };
    const { messages } = await published(gateway, "sensors.cold-chain.marks", { body });
    const [finished] = dataOf(await platform.reach(await runStartedBy(messages[0]), "finished"), "run_finished");
    // As the codec writes what only looks like its own.
    const mark = (value: object) => ({ $type: "object", value: Object.entries(value) });
    expect(finished?.output).toMatchObject({ got: { at: mark(body.at), nothing: mark(body.nothing) } });
  });

  test("under an id - again changes nothing and answers the same; with something else it is refused", async () => {
    const message = { body: { n: 1 }, id: "order 7\nof today" };
    const all = await Promise.all(Array.from({ length: 6 }, () => published(gateway, "pairs.ids", message)));
    expect(all.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 201]);
    expect(new Set(all.map(({ messages }) => messages.join())).size).toBe(1);
    const other = await gateway.post("/api/topics/pairs.ids", { ...message, body: { n: 2 } });
    expect([other.status, codeOf(other)]).toEqual([409, "PUBLISH_ID_USED"]);
    // An id is its publisher's own, and a topic's.
    const [hers, elsewhere] = [
      await published(olga, "pairs.ids", message),
      await published(gateway, "pairs.else", message),
    ];
    expect([hers.status, elsewhere.status]).toEqual([201, 201]);
    const ids = [all[0], hers, elsewhere].map((one) => one?.messages[0]);
    expect(new Set(ids).size).toBe(3);
    const rows = await platform.database.query<{ msg_id: string }>(
      "select msg_id from outbox where to_agent = 'pairs' and dead_at is null and taken_at is null order by place",
    );
    expect(rows.map(({ msg_id }) => msg_id)).toEqual(ids);
  });

  test("one more copy of it than was sent is a replay", async () => {
    await using worker = await platform.worker(config);
    const { messages } = await published(gateway, "sensors.cold-chain.replay", { body: { n: 1 } });
    await platform.reach(await runStartedBy(messages[0]), "finished");
    await worker.close();
    const [row] = await platform.database.query<{ envelope: string; sends: number; copies: number }>(
      "select envelope, sends, copies from outbox where msg_id = $1",
      [messages[0]],
    );
    expect(row).toMatchObject({ sends: 1, copies: 1 });
    const connection = await connect({ servers: platform.nats.url });
    await connection.jetstream().publish("mail.trucks", row?.envelope ?? "", { msgID: "once more" });
    await connection.close();
    await using _ = await platform.worker(config);
    await until(async () => {
      const page = (await olga.get("/api/quarantined-messages")).json() as QuarantinedMessagesPage;
      return page.messages.some(({ reason, text }) => reason === "replayed" && text.includes(messages[0] ?? "?"));
    });
  });

  test("on a topic that nobody has - reaches nobody, and under its id may be published again", async () => {
    const answers = [1, 2].map(() => published(gateway, "nobody.listens", { body: 1, id: "one" }));
    for (const answer of await Promise.all(answers)) {
      expect(answer).toEqual({ status: 201, receivers: [], messages: [] });
    }
  });

  test("when as much waits for a receiver as may - nobody is sent anything, and the publisher is told when to come back", async () => {
    await published(gateway, "full.a", { body: { n: 1 }, id: "first" });
    const refused = await gateway.post("/api/topics/full.b", { body: { n: 2 } });
    expect([refused.status, codeOf(refused)]).toEqual([429, "QUEUE_FULL"]);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    expect(refused.text).toContain("narrow");
    const [row] = await platform.database.query<{ waiting: number }>(
      "select count(*)::int as waiting from outbox where to_agent = 'wide' and taken_at is null and dead_at is null",
    );
    expect(row?.waiting).toBe(1);
    // What is there already needs no room.
    expect((await published(gateway, "full.a", { body: { n: 1 }, id: "first" })).status).toBe(200);
    await using _ = await platform.worker(config);
    await until(async () => (await gateway.post("/api/topics/full.b", { body: { n: 2 } })).status === 201);
  });

  test("what no message can carry is refused, with a reason that says so", async () => {
    const post = async (topic: string, body: unknown) => {
      const answer = await gateway.post(`/api/topics/${topic}`, body);
      return [answer.status, codeOf(answer)];
    };
    expect(await post("sensors.cold-chain.big", { body: "x".repeat(1_000_001) })).toEqual([413, "MESSAGE_TOO_LARGE"]);
    expect(await post("sensors.cold-chain.big", { body: "x".repeat(1_100_000) })).toEqual([413, "BODY_TOO_LARGE"]);
    expect(await post("sensors..x", { body: 1 })).toEqual([400, "INVALID_INPUT"]);
    expect(await post("sensors.*", { body: 1 })).toEqual([400, "INVALID_INPUT"]);
    expect(await post("sensors.x", { body: 1, key: "\u0000" })).toEqual([400, "INVALID_INPUT"]);
    expect(await post("sensors.x", { body: 9_007_199_254_740_993 })).toEqual([400, "INVALID_INPUT"]);
    expect(await post("sensors.x", { key: "k" })).toEqual([400, "INVALID_REQUEST"]);
    const long = `sensors.${"x".repeat(192)}`;
    expect((await published(gateway, long, { body: 1 })).receivers).toEqual([]);
  });

  test("needs the role operator, and who listens can be read by every role", async () => {
    const viewer = await served.caller("vera", ["viewer"]);
    const refused = await viewer.post("/api/topics/pairs.x", { body: { n: 1 } });
    expect([refused.status, codeOf(refused)]).toEqual([403, "FORBIDDEN"]);
    expect((await viewer.get("/api/topics")).json()).toEqual({
      listeners: [
        { agent: "narrow", topics: ["full.>"], queue: 1 },
        { agent: "pairs", topics: ["pairs.*"], queue: 1000 },
        { agent: "trucks", topics: ["sensors.cold-chain.>"], queue: 1000 },
        { agent: "wide", topics: ["full.>"], queue: 1000 },
      ],
    });
  });

  test("whoever signs it is no worker that anybody would wait for", async () => {
    await published(gateway, "pairs.signed", { body: { n: 1 } });
    expect((await olga.get("/api/health")).json() as Health).toMatchObject({ workers: 0 });
    const { queues } = (await olga.get("/api/queues")).json() as { queues: QueueView[] };
    expect(queues.find(({ agent }) => agent === "pairs")).toMatchObject({ messages: 1, limit: 1000, versions: [] });
  });
});

describe("a listener that will not come back", () => {
  test("is forgotten - holds up nobody any more, until a worker has it again", async () => {
    const retired = agentWith("retired", () => Promise.resolve({}), { on: "retired.>", queue: 1 });
    const other = agentWith("other", () => Promise.resolve({}), { on: "retired.>" });
    const both = defineConfig({ agents: [retired, other], rules: [await rulesFile(PERMIT_ALL)] });
    const worker = await platform.worker(both);
    const visitor = await served.caller("visitor", ["viewer"]);
    const forget = (by: Caller, agent = "retired") => by.post(`/api/listeners/${agent}/forget`, { reason: "Retired." });

    const there = await forget(olga);
    expect([there.status, codeOf(there)]).toEqual([409, "LISTENER_THERE"]);
    await worker.close();
    await platform.database.query("update workers set seen_at = seen_at - interval '1 hour'");
    await published(gateway, "retired.a", { body: 1 });
    expect((await gateway.post("/api/topics/retired.a", { body: 2 })).status).toBe(429);

    expect((await forget(visitor)).status).toBe(403);
    expect((await forget(olga)).status).toBe(204);
    expect(await published(gateway, "retired.a", { body: 2 })).toMatchObject({ status: 201, receivers: ["other"] });
    expect((await forget(olga)).status).toBe(404);
    expect((await forget(olga, "witness")).status).toBe(404);
    const [row] = await platform.database.query(
      "select forgotten_by, forgotten_reason from listeners where agent = $1",
      ["retired"],
    );
    expect(row).toEqual({ forgotten_by: "olga", forgotten_reason: "Retired." });

    await (await platform.worker(both)).close();
    expect((await gateway.get("/api/topics")).text).toContain("retired");
  });
});
