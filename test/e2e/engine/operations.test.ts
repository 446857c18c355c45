import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool, type AnyAgent, type SignalboxConfig } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Principal } from "../../../runtime/core/people.ts";
import { createServices } from "../../../runtime/platform/console-services.ts";
import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import { OLGA, startTestPlatform, types, type TestPlatform } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

const State = Annotation.Root({ id: Annotation<string>(), done: Annotation<string>() });
const VERA: Principal = { name: "vera", kind: "person", roles: ["viewer"], pools: [] };

let platform: TestPlatform;
const rules = await rulesFile(PERMIT_ALL);

beforeAll(async () => {
  platform = await startTestPlatform();
});
afterAll(async () => {
  await platform[Symbol.asyncDispose]();
});

function services(config: SignalboxConfig): ConsoleServices {
  const { database, journal } = platform;
  return createServices({ database, journal, config, bus: { wake: () => undefined, ping: () => Promise.resolve() } });
}

/** An agent with one node. */
function agentOf(
  name: string,
  node: Parameters<typeof bodyOf>[0],
  more: { version?: string; concurrency?: number } = {},
) {
  return defineAgent({ name, state: State, ...more, graph: bodyOf(node) });
}

function bodyOf(node: (handles: { clock: { sleep(ms: number): Promise<void> } }, id: string) => Promise<string>) {
  return (handles: { clock: { sleep(ms: number): Promise<void> } }) =>
    new StateGraph(State)
      .addNode("node", async ({ id }) => ({ done: await node(handles, id) }))
      .addEdge(START, "node")
      .addEdge("node", END);
}

const configOf = (...agents: AnyAgent[]): SignalboxConfig => defineConfig({ agents, rules: [rules] });

/** An agent that asks another one and waits for its answer. */
function asking(name: string, asked: AnyAgent) {
  return defineAgent({
    name,
    state: State,
    agents: { asked },
    graph: ({ agents }) =>
      new StateGraph(State)
        .addNode("node", async ({ id }) => {
          await agents.asked.ask({ id });
          return { done: "yes" };
        })
        .addEdge(START, "node")
        .addEdge("node", END),
  });
}

async function childOf(run: string): Promise<string | undefined> {
  const [row] = await platform.database.query<{ run_id: string }>("select run_id from runs where parent_id = $1", [
    run,
  ]);
  return row?.run_id;
}

describe("starting", () => {
  test("a run by somebody who is no operator - is refused, and nothing is on record", async () => {
    const config = configOf(agentOf("starts", () => Promise.resolve("yes")));
    const key = "by-vera";
    const start = { agent: "starts", input: { id: "a" }, key };
    await expect(services(config).startRun(VERA, start)).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(await platform.database.query("select run_id from runs where start_key = $1", [key])).toEqual([]);
    const { created } = await services(config).startRun(OLGA, start);
    expect(created).toBe(true);
  });
});

describe("cancelling", () => {
  const sleeper = agentOf("sleeper", async ({ clock }) => {
    await clock.sleep(3_600_000);
    return "slept";
  });
  const asker = asking("asker", sleeper);
  const config = configOf(sleeper, asker);

  test("a run that waits - ends it and what it asked, on a worker that has none of their agents", async () => {
    const worker = await platform.worker(config);
    const run = await platform.start(config, "asker", { id: "a" });
    await until(async () => (await childOf(run)) !== undefined);
    const child = (await childOf(run)) ?? "";
    await platform.reach(run, "parked");
    await platform.reach(child, "parked");
    await worker.close();
    await services(config).cancelRun(OLGA, run, "The customer withdrew.");
    await services(config).cancelRun(OLGA, run, "Once more.");
    await using _other = await platform.worker(configOf(agentOf("stranger", () => Promise.resolve("x"))));
    const events = await platform.reach(run, "cancelled");
    expect(types(events).slice(-2)).toEqual(["cancel_requested", "run_cancelled"]);
    const last = events.at(-1);
    expect(last?.data).toMatchObject({ by: { id: "olga" }, reason: "The customer withdrew." });
    const ended = await platform.reach(child, "cancelled");
    expect(ended.find(({ type }) => type === "cancel_requested")?.data).toMatchObject({
      reason: "The customer withdrew.",
      cause: { run, seq: last?.seq, hash: last?.hash },
    });
  });

  test("a run whose ask has reached nobody yet - and that run never starts", async () => {
    const alone = configOf(asking("alone", sleeper), sleeper);
    // This worker has the asker, and not what it asks.
    await using worker = await platform.worker({
      ...alone,
      agents: alone.agents.filter(({ name }) => name === "alone"),
    });
    const run = await platform.start(alone, "alone", { id: "a" });
    await platform.reach(run, "parked");
    await services(alone).cancelRun(OLGA, run, "Not wanted.");
    await platform.reach(run, "cancelled");
    await worker.close();
    await using _all = await platform.worker(alone);
    // Whatever NATS still brings of the ask, this run is later: both go through the same mail.
    const later = await platform.start(alone, "alone", { id: "b" });
    await until(async () => (await childOf(later)) !== undefined);
    expect(await childOf(run)).toBeUndefined();
    // Its message counts as received right after the run is there.
    await until(async () => {
      const [row] = await platform.database.query<{ open: number }>(
        "select count(*)::int as open from outbox where received_at is null and to_agent = 'sleeper'",
      );
      return row?.open === 0;
    });
  });

  test("a run that is about to be quarantined - ends it all the same", async () => {
    const run = await platform.start(config, "sleeper", { id: "a" });
    await platform.database.query("update runs set crashes = 3, solo_crashes = 3 where run_id = $1", [run]);
    await services(config).cancelRun(OLGA, run, "It only crashes.");
    await using _worker = await platform.worker(config);
    expect(types(await platform.reach(run, "cancelled"))).toContain("run_quarantined");
  });

  test("what is unknown, has ended, or by somebody who may not - is refused, and changes nothing", async () => {
    const run = await platform.start(config, "sleeper", { id: "a" });
    const act = services(config);
    await expect(act.cancelRun(VERA, run, "I want to.")).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(act.cancelRun(OLGA, run, " ")).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect(act.releaseRun(OLGA, run, "Go on.")).rejects.toMatchObject({ code: "NOT_QUARANTINED" });
    await expect(act.cancelRun(OLGA, "00000000-0000-4000-8000-000000000000", "x")).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await act.cancelRun(OLGA, run, "Enough.");
    await using _worker = await platform.worker(config);
    await platform.reach(run, "cancelled");
    await expect(act.cancelRun(OLGA, run, "Enough.")).rejects.toMatchObject({ code: "RUN_ENDED" });
  });
});

describe("a run whose agent has changed while it waited", () => {
  const version = (name: string, sleepMs: number) =>
    configOf(
      agentOf(
        "changes",
        async ({ clock }) => {
          await clock.sleep(sleepMs);
          return name;
        },
        { version: name },
      ),
    );

  test("waits for a worker that has its version, says so, and goes on there", async () => {
    const [old, now] = [version("v1", 1_500), version("v2", 0)];
    const first = await platform.worker(old);
    const run = await platform.start(old, "changes", { id: "a" });
    await platform.reach(run, "parked");
    await first.close();
    await using _now = await platform.worker(now);
    await platform.reach(run, "ready");
    const act = services(now);
    expect(await act.getRun(run)).toMatchObject({ version: "v1", stuck: "no_worker_for_version" });
    expect((await act.listRuns({ stuck: true, limit: 10 })).runs.map((one) => one.run)).toContain(run);
    // What has begun with no version yet is taken by what is there.
    const other = await platform.start(now, "changes", { id: "b" });
    expect((await platform.reach(other, "finished")).at(-1)?.data).toMatchObject({ output: { done: "v2" } });
    expect(await act.getRun(run)).toMatchObject({ status: "ready" });
    await using _old = await platform.worker(old);
    expect((await platform.reach(run, "finished")).at(-1)?.data).toMatchObject({ output: { done: "v1" } });
  });

  test("is started again by an operator, as a new session, once", async () => {
    const [old, now] = [version("v3", 3_600_000), version("v4", 0)];
    const first = await platform.worker(old);
    const run = await platform.start(old, "changes", { id: "a" });
    await platform.reach(run, "parked");
    const act = services(now);
    await expect(act.restartRun(OLGA, run, "New rules.")).rejects.toMatchObject({ code: "NOT_RESTARTABLE" });
    await first.close();
    await using _now = await platform.worker(now);
    const [again, twice] = [
      await act.restartRun(OLGA, run, "New rules."),
      await act.restartRun(OLGA, run, "New rules."),
    ];
    expect(twice.session).toBe(again.session);
    expect((await platform.reach(again.session, "finished")).at(-1)?.data).toMatchObject({
      output: { id: "a", done: "v4" },
    });
    const events = await platform.reach(run, "cancelled");
    expect(JSON.stringify(events.at(-1)?.data)).toContain(again.session);
  });
});

describe("an agent of which only so many runs are under way at once", () => {
  test("keeps to it over two workers, and its queue can be read", async () => {
    let under = 0;
    let most = 0;
    const input = z.object({ id: z.string() });
    const work = defineTool({
      name: "work",
      effect: "idempotent",
      input,
      output: input,
      run: async (one) => {
        most = Math.max(most, ++under);
        await new Promise((resolve) => setTimeout(resolve, 40));
        under--;
        return one;
      },
    });
    const narrow = defineAgent({
      name: "narrow",
      state: State,
      concurrency: 2,
      tools: { work },
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("node", async ({ id }) => ({ done: (await tools.work({ id })).id }))
          .addEdge(START, "node")
          .addEdge("node", END),
    });
    const config = configOf(narrow);
    const runs = await Promise.all(
      Array.from({ length: 12 }, (_, i) => platform.start(config, "narrow", { id: String(i) })),
    );
    const waiting = (await services(config).queues()).find(({ agent }) => agent === "narrow");
    expect(waiting).toMatchObject({ ready: 12, running: 0, messages: 0, versions: [] });
    expect(waiting?.lagMs).toBeGreaterThan(0);
    await using _one = await platform.worker(config);
    await using _two = await platform.worker(config);
    for (const run of runs) await platform.reach(run, "finished");
    expect(most).toBe(2);
    expect((await services(config).queues()).find(({ agent }) => agent === "narrow")).toMatchObject({
      ready: 0,
      running: 0,
      lagMs: 0,
    });
  });
});
