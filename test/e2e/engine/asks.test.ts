import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { connect, type NatsConnection } from "nats";
import {
  AskFailedError,
  defineAgent,
  defineConfig,
  defineTool,
  InvalidArgumentsError,
  type AnyAgent,
  type SignalboxConfig,
} from "signalbox";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import type { SignedEnvelope } from "../../../runtime/core/bus.ts";
import { deferred } from "../../../runtime/core/deferred.ts";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import { decode } from "../../../runtime/engine/codec.ts";
import { startTestPlatform, types, type TestPlatform } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

let platform: TestPlatform;
let plainClient: NatsConnection;
let permitAll: URL;
const mail: SignedEnvelope[] = [];

beforeAll(async () => {
  platform = await startTestPlatform();
  permitAll = await rulesFile(PERMIT_ALL);
  // Nothing but NATS: what anybody on the bus can see.
  plainClient = await connect({ servers: platform.nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  plainClient.subscribe("mail.>", {
    callback: (_, message) => {
      try {
        mail.push(message.json<SignedEnvelope>());
      } catch {
        // Some tests send what is no JSON.
      }
    },
  });
});
afterAll(async () => {
  await plainClient.close();
  await platform[Symbol.asyncDispose]();
});
beforeEach(() => {
  mail.splice(0);
});

const Answers = Annotation.Root({ text: Annotation<string>(), n: Annotation<number>(), extra: Annotation<unknown>() });
const Asks = Annotation.Root({ text: Annotation<string>(), n: Annotation<number>(), answer: Annotation<unknown>() });

const calls: string[] = [];
let answering: (text: string) => unknown = () => undefined;
const think = defineTool({
  name: "think",
  effect: "idempotent",
  input: z.object({ text: z.string() }),
  output: z.any(),
  run: async ({ text }) => {
    calls.push(text);
    return (await answering(text)) ?? null;
  },
});

const assessor = defineAgent({
  name: "assessor",
  state: Answers,
  tools: { think },
  graph: ({ tools }) =>
    new StateGraph(Answers)
      .addNode("think", async ({ text }) => ({ extra: (await tools.think({ text })) as unknown, n: text.length }))
      .addEdge(START, "think")
      .addEdge("think", END),
});

type Ask = (input: { text: string; extra?: unknown }) => Promise<{ n: number; extra: unknown }>;

/** An agent that asks the assessor, in the way that the test says. */
function asker(body: (ask: Ask, state: { text: string; n: number }) => Promise<unknown>, name = "asker") {
  return defineAgent({
    name,
    state: Asks,
    agents: { assessor },
    graph: ({ agents }) =>
      new StateGraph(Asks)
        .addNode("ask", async ({ text, n }) => ({
          answer: await body((input) => agents.assessor.ask(input), { text, n }),
        }))
        .addEdge(START, "ask")
        .addEdge("ask", END),
  });
}

function config(...agents: AnyAgent[]): SignalboxConfig {
  return defineConfig({ agents: [...agents, assessor], rules: [permitAll] });
}

function answerOf(events: readonly JournalEvent[]): unknown {
  const last = events.at(-1);
  if (last?.type !== "run_finished") throw new Error(JSON.stringify(last?.data));
  return (last.data.output as { answer: unknown }).answer;
}

async function children(run: string): Promise<string[]> {
  const rows = await platform.database.query<{ run_id: string }>(
    "select run_id from runs where parent_id = $1 order by run_id",
    [run],
  );
  return rows.map((row) => row.run_id);
}

const askOnce: Parameters<typeof asker>[0] = async (ask, { text }) => (await ask({ text })).n;

describe("an ask", () => {
  test("parks the asker, starts a run that answers, and wakes the asker; the two records hold each other's hashes", async () => {
    const project = config(asker(askOnce));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "four" });
    const events = await platform.reach(run, "finished");
    expect(types(events)).toEqual([
      "run_started",
      "attempt_started",
      "effect_intended",
      "message_sent",
      "run_parked",
      "attempt_started",
      "effect_finished",
      "node_finished",
      "run_finished",
    ]);
    expect(answerOf(events)).toBe(4);
    const [child] = await children(run);
    const childEvents = await platform.journal.read(child ?? "");
    const sent = events.find(({ type }) => type === "message_sent");
    expect(childEvents[0]?.data).toMatchObject({
      session: run,
      depth: 1,
      startedBy: { kind: "person", id: "ada" },
      cause: { run, seq: sent?.seq, hash: sent?.hash, agent: "asker" },
    });
    const last = childEvents.at(-1);
    expect(events.find(({ type }) => type === "effect_finished")?.data).toMatchObject({
      via: "answer",
      child: { run: child, seq: last?.seq, hash: last?.hash },
    });
    // A plain client saw both messages.
    expect(mail.map(({ envelope: { kind, from, to, session } }) => [kind, from, to, session])).toEqual([
      ["ask", "asker", "assessor", run],
      ["answer", "assessor", "asker", run],
    ]);
  });

  test("two at once, and one after them - each gets its own answer", async () => {
    const project = config(
      asker(async (ask) => {
        const [a, b] = await Promise.all([ask({ text: "a" }), ask({ text: "bb" })]);
        const same = await Promise.all([ask({ text: "same" }), ask({ text: "same" })]);
        return [a.n, b.n, ...same.map(({ n }) => n)];
      }),
    );
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "" });
    expect(answerOf(await platform.reach(run, "finished"))).toEqual([1, 2, 4, 4]);
    expect(await children(run)).toHaveLength(4);
  });

  test("of an agent that asks itself - reaches through", async () => {
    const middle = asker(async (ask, { text }) => (await ask({ text: `${text}!` })).n, "middle");
    const outer = defineAgent({
      name: "outer",
      state: Asks,
      agents: { middle },
      graph: ({ agents }) =>
        new StateGraph(Asks)
          .addNode("ask", async ({ text }) => ({ answer: (await agents.middle.ask({ text })).answer }))
          .addEdge(START, "ask")
          .addEdge("ask", END),
    });
    const project = config(middle, outer);
    await using _one = await platform.worker(project);
    await using _two = await platform.worker(project);
    const run = await platform.start(project, "outer", { text: "deep" });
    expect(answerOf(await platform.reach(run, "finished"))).toBe(5);
    const rows = await platform.database.query<{ depth: number }>(
      "select depth from runs where session_id = $1 order by depth",
      [run],
    );
    expect(rows.map(({ depth }) => depth)).toEqual([0, 1, 2]);
  });

  test("in a circle - ends at the limit of depth, with a refusal that says so", async () => {
    const ring: Record<string, AnyAgent> = {};
    const circle = defineAgent({
      name: "circle",
      state: Asks,
      agents: ring,
      graph: ({ agents }) =>
        new StateGraph(Asks)
          .addNode("ask", async ({ text }) => ({ answer: await agents["circle"]?.ask({ text }) }))
          .addEdge(START, "ask")
          .addEdge("ask", END),
    });
    ring["circle"] = circle;
    const project = config(circle);
    await using _worker = await platform.worker(project, { limits: { maxDepth: 3 } });
    const run = await platform.start(project, "circle", { text: "" });
    const events = await platform.reach(run, "failed");
    expect(events.at(-1)?.data).toMatchObject({ error: { code: "ASK_FAILED" } });
    expect(JSON.stringify(events.at(-1)?.data)).toContain("3 asks and messages already stand above this run");
    const [row] = await platform.database.query<{ runs: number }>(
      "select count(*)::int as runs from runs where session_id = $1",
      [run],
    );
    expect(row?.runs).toBe(4);
  });

  test("whose run fails - throws AskFailedError with the reason", async () => {
    answering = (text) => {
      if (text === "bad") throw new RangeError("I cannot think of that.");
    };
    const project = config(
      asker(async (ask, { text }) => {
        try {
          return await ask({ text });
        } catch (error) {
          return [error instanceof AskFailedError, (error as Error).message];
        }
      }),
    );
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "bad" });
    expect(answerOf(await platform.reach(run, "finished"))).toEqual([
      true,
      "The agent assessor did not answer: The call of think failed: I cannot think of that.",
    ]);
    answering = () => undefined;
  });

  test("that no rule permits - is refused, and no run is started", async () => {
    const project = defineConfig({ agents: [asker(askOnce), assessor], rules: [] });
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "x" });
    const events = await platform.reach(run, "failed");
    expect(events.at(-1)?.data).toMatchObject({ error: { code: "CALL_REFUSED" } });
    expect(await children(run)).toEqual([]);
    expect(mail).toEqual([]);
  });

  test("with what looks like the record's own marks - arrives as the plain data that it is", async () => {
    const odd = [{ $type: "date", value: "1970-01-01" }, { $type: "undefined" }, { $type: "nonsense" }];
    const project = config(asker(async (ask) => (await ask({ text: "x", extra: odd })).n));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "x" });
    expect(answerOf(await platform.reach(run, "finished"))).toBe(1);
    const [child] = await children(run);
    const [started] = await platform.journal.read(child ?? "");
    const input = started?.type === "run_started" ? started.data.input : null;
    expect(decode(input)).toEqual({ text: "x", extra: odd });
  });
});

describe("large content", () => {
  test("300 KB as a run's input, as an ask's body, as a result and as an answer - arrives whole", async () => {
    const big = "x".repeat(300_000);
    answering = (text) => text.repeat(2);
    const project = config(asker(async (ask, { text }) => ((await ask({ text })).extra as string).length));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: big });
    expect(answerOf(await platform.reach(run, "finished"))).toBe(600_000);
    answering = () => undefined;
    const rows = await platform.database.query<{ longest: number }>(
      "select max(length(data))::int as longest from events where run_id in (select run_id from runs where session_id = $1)",
      [run],
    );
    expect(rows[0]?.longest).toBeLessThan(262_145);
  });

  // The second is small as it stands, and large as it travels: each of its objects is wrapped.
  test.each([
    ["text", { text: "x".repeat(1_100_000) }],
    ["marks", { text: "", extra: Array.from({ length: 30_000 }, () => ({ $type: "x" })) }],
  ])("more than a message can carry (%s) - is refused before anything is sent", async (_, input) => {
    const project = config(
      asker(async (ask) => {
        try {
          return await ask(input);
        } catch (error) {
          return [error instanceof InvalidArgumentsError, (error as Error).message];
        }
      }),
    );
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "" });
    const events = await platform.reach(run, "finished");
    expect(answerOf(events)).toEqual([true, expect.stringContaining("a message carries at most 1000000")]);
    expect(types(events)).not.toContain("effect_intended");
  });

  test("an answer that no message can carry - is an error for the asker, and stays whole in its own record", async () => {
    answering = () => "y".repeat(1_100_000);
    const project = config(
      asker(async (ask) => {
        try {
          return await ask({ text: "x" });
        } catch (error) {
          return (error as AskFailedError).error.code;
        }
      }),
    );
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "" });
    expect(answerOf(await platform.reach(run, "finished"))).toBe("MESSAGE_TOO_LARGE");
    answering = () => undefined;
    const [child] = await children(run);
    const last = (await platform.journal.read(child ?? "")).at(-1);
    expect(JSON.stringify(last?.data).length).toBeGreaterThan(1_100_000);
  });
});

describe("the mail", () => {
  test("sent twice and delivered twice - starts one run and gives one answer", async () => {
    calls.splice(0);
    const gate = deferred<undefined>();
    answering = () => gate.promise;
    const project = config(asker(askOnce));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "twice" });
    await until(() => calls.includes("twice"));
    const again = (signed: SignedEnvelope | undefined): void => {
      if (signed) plainClient.publish(`mail.${signed.envelope.to}`, JSON.stringify(signed));
    };
    for (let i = 0; i < 3; i++) again(mail[0]);
    gate.resolve(undefined);
    answering = () => undefined;
    const events = await platform.reach(run, "finished");
    const answer = mail.find(({ envelope }) => envelope.kind === "answer");
    for (let i = 0; i < 3; i++) again(answer);
    await until(async () => (await pending("SIGNALBOX_MAIL")) === 0);
    expect(calls.filter((text) => text === "twice")).toHaveLength(1);
    expect(await children(run)).toHaveLength(1);
    expect(await platform.journal.read(run)).toEqual(events);
  });

  test("forged, altered, unsigned, misdirected or malformed - is set aside and changes nothing", async () => {
    const project = config(asker(askOnce));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "real" });
    await platform.reach(run, "finished");
    const [ask, answer] = mail;
    if (!ask || !answer) throw new Error("No mail was seen.");
    const before = await platform.database.query("select run_id, head_seq, mailbox_seq from runs order by run_id");
    const other = "3f8a1e0c-4f7e-4f0a-9d2e-0a4b8c1d2e3f";
    const forged: unknown[] = [
      { ...ask, envelope: { ...ask.envelope, target: other } },
      { ...ask, envelope: { ...ask.envelope, startedBy: { kind: "person", id: "mallory" }, target: other } },
      { ...ask, worker: "worker-of-mallory" },
      { ...ask, signature: "AAAA" },
      { envelope: { ...ask.envelope, target: other } },
      { ...answer, envelope: { ...answer.envelope, body: { ok: true, value: { n: 1_000_000 } } } },
      {},
      [],
      null,
      { ...ask, envelope: { ...ask.envelope, sentAt: -0 } },
      { ...ask, envelope: { ...ask.envelope, body: "\ud800" } },
    ];
    for (const message of forged)
      plainClient.publish("mail.assessor", JSON.stringify(message).replace('"sentAt":0', '"sentAt":-0'));
    plainClient.publish("mail.assessor", "this is no JSON");
    plainClient.publish("mail.assessor", "[".repeat(100_000) + "]".repeat(100_000));
    // Genuine, and on the wrong subject.
    plainClient.publish("mail.asker", JSON.stringify(ask));
    plainClient.publish("work.asker", "no list");
    plainClient.publish("work.asker", JSON.stringify(["no-run-id"]));
    await until(async () => (await pending("SIGNALBOX_MAIL")) === 0 && (await pending("SIGNALBOX_WORK")) === 0);
    expect(await platform.database.query("select run_id, head_seq, mailbox_seq from runs order by run_id")).toEqual(
      before,
    );
    // And the mail still works.
    const next = await platform.start(project, "asker", { text: "real" });
    expect(answerOf(await platform.reach(next, "finished"))).toBe(4);
  });

  test("NATS killed and its data wiped in mid-ask - the answer still arrives exactly once", async () => {
    calls.splice(0);
    const gate = deferred<undefined>();
    answering = () => gate.promise;
    const project = config(asker(askOnce));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "wiped" });
    await until(() => calls.includes("wiped"));
    await platform.nats.stop("SIGKILL");
    await platform.nats.wipe();
    gate.resolve(undefined);
    answering = () => undefined;
    const [child] = await children(run);
    await platform.reach(child ?? "", "finished");
    await platform.nats.start();
    const events = await platform.reach(run, "finished");
    expect(answerOf(events)).toBe(5);
    expect(events.filter(({ type }) => type === "effect_finished")).toHaveLength(1);
    expect(calls.filter((text) => text === "wiped")).toHaveLength(1);
    expect(await children(run)).toEqual([child]);
  });

  test("NATS down while an agent asks - the message is sent when it is back, with nothing of its own left", async () => {
    calls.splice(0);
    const project = config(asker(askOnce));
    await using _worker = await platform.worker(project);
    await platform.nats.stop("SIGKILL");
    const run = await platform.start(project, "asker", { text: "later" });
    await platform.reach(run, "parked");
    await platform.nats.wipe();
    await platform.nats.start();
    expect(answerOf(await platform.reach(run, "finished"))).toBe(5);
    expect(calls.filter((text) => text === "later")).toHaveLength(1);
  });
});

/** How many messages a stream still holds: handled ones are gone. */
async function pending(stream: "SIGNALBOX_MAIL" | "SIGNALBOX_WORK"): Promise<number> {
  const manager = await plainClient.jetstreamManager();
  return (await manager.streams.info(stream)).state.messages;
}
