import { END, START, StateGraph } from "@langchain/langgraph";
import { AskFailedError, defineAgent, defineConfig, InvalidArgumentsError, type AnyAgent } from "signalbox";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { decode } from "../../../runtime/engine/codec.ts";
import { answerOf, AskingAgents, askOnce, Asks } from "../../support/asking-agents.ts";
import { types, type TestPlatform } from "../../support/platform.ts";

let asking: AskingAgents;
let platform: TestPlatform;

beforeAll(async () => {
  asking = await AskingAgents.start();
  ({ platform } = asking);
});
afterAll(() => asking[Symbol.asyncDispose]());
beforeEach(() => {
  asking.mail.splice(0);
});

describe("an ask", () => {
  test("parks the asker, starts a run that answers, and wakes the asker; the two records hold each other's hashes", async () => {
    const project = asking.config(asking.asker(askOnce));
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
    const [child] = await asking.children(run);
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
    expect(asking.mail.map(({ envelope: { kind, from, to, session } }) => [kind, from, to, session])).toEqual([
      ["ask", "asker", "assessor", run],
      ["answer", "assessor", "asker", run],
    ]);
  });

  test("two at once, and one after them - each gets its own answer", async () => {
    const project = asking.config(
      asking.asker(async (ask) => {
        const [a, b] = await Promise.all([ask({ text: "a" }), ask({ text: "bb" })]);
        const same = await Promise.all([ask({ text: "same" }), ask({ text: "same" })]);
        return [a.n, b.n, ...same.map(({ n }) => n)];
      }),
    );
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "" });
    expect(answerOf(await platform.reach(run, "finished"))).toEqual([1, 2, 4, 4]);
    expect(await asking.children(run)).toHaveLength(4);
  });

  test("of an agent that asks itself - reaches through", async () => {
    const middle = asking.asker(async (ask, { text }) => (await ask({ text: `${text}!` })).n, "middle");
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
    const project = asking.config(middle, outer);
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
    const project = asking.config(circle);
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
    asking.answering = (text) => {
      if (text === "bad") throw new RangeError("I cannot think of that.");
    };
    const project = asking.config(
      asking.asker(async (ask, { text }) => {
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
    asking.answering = () => undefined;
  });

  test("that no rule permits - is refused, and no run is started", async () => {
    const project = defineConfig({ agents: [asking.asker(askOnce), asking.assessor], rules: [] });
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "x" });
    const events = await platform.reach(run, "failed");
    expect(events.at(-1)?.data).toMatchObject({ error: { code: "CALL_REFUSED" } });
    expect(await asking.children(run)).toEqual([]);
    expect(asking.mail).toEqual([]);
  });

  test("with what looks like the record's own marks - arrives as the plain data that it is", async () => {
    const odd = [{ $type: "date", value: "1970-01-01" }, { $type: "undefined" }, { $type: "nonsense" }];
    const project = asking.config(asking.asker(async (ask) => (await ask({ text: "x", extra: odd })).n));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "x" });
    expect(answerOf(await platform.reach(run, "finished"))).toBe(1);
    const [child] = await asking.children(run);
    const [started] = await platform.journal.read(child ?? "");
    const input = started?.type === "run_started" ? started.data.input : null;
    expect(decode(input)).toEqual({ text: "x", extra: odd });
  });
});

describe("large content", () => {
  test("300 KB as a run's input, as an ask's body, as a result and as an answer - arrives whole", async () => {
    const big = "x".repeat(300_000);
    asking.answering = (text) => text.repeat(2);
    const project = asking.config(
      asking.asker(async (ask, { text }) => ((await ask({ text })).extra as string).length),
    );
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: big });
    expect(answerOf(await platform.reach(run, "finished"))).toBe(600_000);
    asking.answering = () => undefined;
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
    const project = asking.config(
      asking.asker(async (ask) => {
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
    asking.answering = () => "y".repeat(1_100_000);
    const project = asking.config(
      asking.asker(async (ask) => {
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
    asking.answering = () => undefined;
    const [child] = await asking.children(run);
    const last = (await platform.journal.read(child ?? "")).at(-1);
    expect(JSON.stringify(last?.data).length).toBeGreaterThan(1_100_000);
  });
});
