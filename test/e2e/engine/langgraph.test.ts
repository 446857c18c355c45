import { Annotation } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool, type SignalboxConfig } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { answerQuestion, listQuestions, type Question } from "../../../runtime/approvals/questions.ts";
import type { JsonValue } from "../../../runtime/core/json.ts";
import type { Principal } from "../../../runtime/core/people.ts";
import { deliverIn } from "../../../runtime/journal/deliver.ts";
import { approval, several, typed } from "../../support/langgraph/interrupts.ts";
import { threeDeep } from "../../support/langgraph/subgraphs.ts";
import type { World } from "../../support/langgraph/world.ts";
import { OLGA, startTestPlatform, type TestPlatform } from "../../support/platform.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

let platform: TestPlatform;
let permitAll: URL;
beforeAll(async () => {
  platform = await startTestPlatform();
  permitAll = await rulesFile(PERMIT_ALL);
});
afterAll(() => platform[Symbol.asyncDispose]());

const PETER: Principal = { ...OLGA, name: "peter", pools: ["garden"] };

/** A LangGraph graph as a project with one agent, and what it called. */
function project(name: string, shape: (world: World) => unknown): { config: SignalboxConfig; called: string[] } {
  const called: string[] = [];
  const io = z.object({ id: z.string() });
  const run = (input: { id: string }): { id: string } => {
    called.push(input.id);
    return input;
  };
  const look = defineTool({ name: "look", effect: "read", input: io, output: io, run });
  const put = defineTool({ name: "put", effect: "idempotent", input: io, output: io, run });
  const pay = defineTool({ name: "pay", effect: "irreversible", input: io, output: io, run });
  const agent = defineAgent({
    name,
    state: Annotation.Root({ log: Annotation<string[]>() }),
    tools: { look, put, pay },
    interrupts: { pool: "finance" },
    graph: ({ tools }) =>
      shape({
        look: async (id) => (await tools.look({ id })).id,
        put: async (id) => (await tools.put({ id })).id,
        pay: async (id) => (await tools.pay({ id })).id,
      }) as never,
  });
  return { config: defineConfig({ agents: [agent], rules: [permitAll] }), called };
}

async function openOf(run: string): Promise<Question[]> {
  return (await listQuestions(platform.database, { status: "open", limit: 1_000 })).questions.filter(
    (open) => open.run === run,
  );
}

function answer(question: Question | undefined, given: JsonValue, by = OLGA): ReturnType<typeof answerQuestion> {
  if (!question) throw new Error("Nothing is asked.");
  const { database } = platform;
  return answerQuestion({ database, deliver: deliverIn }, by, { question: question.question, answer: given });
}

describe("a LangGraph graph on the platform", () => {
  test("interrupt() - is a question of its pool, answered by one person of it, once; then the run goes on", async () => {
    const { config, called } = project("asks", approval);
    await using _worker = await platform.worker(config);
    const run = await platform.start(config, "asks", { log: [] });
    await platform.reach(run, "parked");
    const [question, ...others] = await openOf(run);
    expect(others).toEqual([]);
    expect(question).toMatchObject({ agent: "asks", pool: "finance", text: "Is this right?", answer: {} });
    await expect(answer(question, true, PETER)).rejects.toMatchObject({ code: "NOT_IN_POOL" });
    // Two at once: one wins, and the other one is told.
    const both = await Promise.allSettled([answer(question, true), answer(question, false)]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(both.find(({ status }) => status === "rejected")).toMatchObject({ reason: { code: "ALREADY_DECIDED" } });
    const won = both[0].status === "fulfilled";
    const events = await platform.reach(run, "finished");
    expect(events.at(-1)?.data).toEqual({ output: { log: ["draft", String(won), ...(won ? ["p"] : [])] } });
    expect(called).toEqual(["draft", "before", ...(won ? ["p"] : [])]);
    // The run has ended: there is nothing to resume.
    await expect(answer(question, true)).rejects.toMatchObject({ code: "ALREADY_DECIDED" });
  });

  test("several interrupts at once, answered by several workers in any order - each gets its own answer", async () => {
    const { config, called } = project("asks-much", several);
    await using _one = await platform.worker(config);
    await using _two = await platform.worker(config);
    const run = await platform.start(config, "asks-much", { log: [] });
    await platform.reach(run, "parked");
    const questions = await openOf(run);
    expect(questions.map(({ text }) => text).sort()).toEqual(["a?", "b?", "inner?", "inner?", "x?", "y?", "z?"]);
    for (const question of [...questions].reverse()) await answer(question, `to ${question.effect}`);
    const events = await platform.reach(run, "finished");
    const log = JSON.stringify(events.at(-1)?.data);
    for (const { effect, text } of questions.filter((one) => one.text !== "inner?")) {
      expect([text, log.includes(`to ${effect}`)]).toEqual([text, true]);
    }
    expect(called.filter((id) => id === "a")).toEqual(["a"]);
    expect(called.filter((id) => id === "inner")).toHaveLength(2);
  });

  test("an interrupt with a schema - takes no answer that does not fit it", async () => {
    const { config } = project("asks-typed", typed);
    await using _worker = await platform.worker(config);
    const run = await platform.start(config, "asks-typed", { log: [] });
    await platform.reach(run, "parked");
    const [question] = await openOf(run);
    await expect(answer(question, { plan: "medium" })).rejects.toMatchObject({ code: "INVALID_ANSWER" });
    await answer(question, { plan: "small" });
    expect((await platform.reach(run, "finished")).at(-1)?.data).toEqual({ output: { log: ["small"] } });
  });

  test("graphs three deep - finish on the worker, with every node under the nodes around it", async () => {
    const { config, called } = project("deep", threeDeep);
    await using _worker = await platform.worker(config);
    const run = await platform.start(config, "deep", { log: [] });
    const events = await platform.reach(run, "finished");
    const nodes = events.flatMap((event) => (event.type === "node_finished" ? [event.data.node] : []));
    expect(nodes.filter((node) => /^1\/first\|1\/second\|1\/third~\w+\|/.test(node))).toHaveLength(3);
    expect(new Set(called).size).toBe(called.length);
  });
});
