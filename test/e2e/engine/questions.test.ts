import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, type SignalboxConfig } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { answerQuestion, listQuestions, type Question } from "../../../runtime/approvals/questions.ts";
import type { JsonValue } from "../../../runtime/core/json.ts";
import type { Principal } from "../../../runtime/core/people.ts";
import { deliverIn } from "../../../runtime/journal/deliver.ts";
import { OLGA, startTestPlatform, types, type TestPlatform } from "../../support/platform.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

let platform: TestPlatform;
let permitAll: URL;
beforeAll(async () => {
  platform = await startTestPlatform();
  permitAll = await rulesFile(PERMIT_ALL);
});
afterAll(() => platform[Symbol.asyncDispose]());

const PETER: Principal = { ...OLGA, name: "peter", pools: ["garden"] };
const State = Annotation.Root({ answer: Annotation<unknown>() });
const anAnswer = z.object({ choice: z.enum(["repair", "replace"]), note: z.string().optional() });

function asks(schema: z.ZodType, rules: readonly URL[] = [permitAll]): SignalboxConfig {
  const agent = defineAgent({
    name: "asks-people",
    state: State,
    graph: ({ human }) =>
      new StateGraph(State)
        .addNode("ask", async () => ({
          answer: await human.ask({ question: "Repair or replace?", pool: "finance", answer: schema }),
        }))
        .addEdge(START, "ask")
        .addEdge("ask", END),
  });
  return defineConfig({ agents: [agent], rules: [...rules] });
}

async function theQuestion(run: string): Promise<Question> {
  const question = (await listQuestions(platform.database, { status: "open", limit: 1_000 })).questions.find(
    (open) => open.run === run,
  );
  if (!question) throw new Error("Nothing is asked.");
  return question;
}

function answer(question: Question, given: JsonValue, by = OLGA): ReturnType<typeof answerQuestion> {
  const { database } = platform;
  return answerQuestion({ database, deliver: deliverIn }, by, { question: question.question, answer: given });
}

describe("a question to people", () => {
  test("parks the run, is answered by somebody of the pool, and reaches the agent typed", async () => {
    const project = asks(anAnswer);
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asks-people", {});
    const parked = await platform.reach(run, "parked");
    expect(parked.at(-1)?.data).toMatchObject({ waits: [{ kind: "human" }] });
    const question = await theQuestion(run);
    expect(question).toMatchObject({
      agent: "asks-people",
      session: run,
      pool: "finance",
      text: "Repair or replace?",
      status: "open",
      answer: { type: "object", required: ["choice"] },
    });
    await answer(question, { choice: "replace", note: "It is old." });
    const events = await platform.reach(run, "finished");
    expect(types(events)).toEqual([
      "run_started",
      "attempt_started",
      "effect_intended",
      "run_parked",
      "attempt_started",
      "effect_finished",
      "node_finished",
      "run_finished",
    ]);
    expect(events.at(-1)?.data).toEqual({ output: { answer: { choice: "replace", note: "It is old." } } });
    expect(events.find(({ type }) => type === "effect_finished")?.data).toMatchObject({
      via: "operator",
      by: { kind: "person", id: "olga" },
    });
    const { questions: all } = await listQuestions(platform.database, { status: "all", limit: 1_000 });
    expect(all.find(({ question: id }) => id === question.question)).toMatchObject({
      status: "answered",
      answered: { by: "olga", value: { choice: "replace", note: "It is old." } },
    });
  });

  test("answered by somebody else, wrongly, or twice - is refused with the reason, and the first answer stands", async () => {
    const project = asks(anAnswer);
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asks-people", {});
    await platform.reach(run, "parked");
    const question = await theQuestion(run);
    await expect(answer(question, { choice: "repair" }, PETER)).rejects.toMatchObject({ code: "NOT_IN_POOL" });
    for (const wrong of [{ choice: "burn" }, {}, null, "repair", { choice: "repair", note: 5 }]) {
      await expect(answer(question, wrong)).rejects.toMatchObject({ code: "INVALID_ANSWER" });
    }
    const unknown = { ...question, question: "3f8a1e0c-4f7e-4f0a-9d2e-0a4b8c1d2e3f" };
    await expect(answer(unknown, {})).rejects.toMatchObject({ code: "NOT_FOUND" });
    const both = await Promise.allSettled([
      answer(question, { choice: "repair" }),
      answer(question, { choice: "replace" }),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const won = both[0].status === "fulfilled" ? "repair" : "replace";
    const events = await platform.reach(run, "finished");
    expect(events.at(-1)?.data).toEqual({ output: { answer: { choice: won } } });
    await expect(answer(question, { choice: "repair" })).rejects.toMatchObject({ code: "ALREADY_DECIDED" });
  });

  test("with an answer that only the agent's own schema refuses - is an error that says so, and waits for nobody", async () => {
    const project = asks(z.string().refine((text) => text.length % 2 === 0, "It must have an even length."));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asks-people", {});
    await platform.reach(run, "parked");
    await answer(await theQuestion(run), "odd");
    const events = await platform.reach(run, "failed");
    expect(events.at(-1)?.data).toMatchObject({ error: { code: "INVALID_OUTPUT" } });
  });

  test("with an answer that looks like the record's own marks - is the plain data that was typed", async () => {
    const project = asks(z.record(z.string(), z.string()));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asks-people", {});
    await platform.reach(run, "parked");
    await answer(await theQuestion(run), { $type: "date", value: "1970-01-01" });
    const events = await platform.reach(run, "finished");
    const wrapped = {
      $type: "object",
      value: [
        ["$type", "date"],
        ["value", "1970-01-01"],
      ],
    };
    expect(events.at(-1)?.data).toEqual({ output: { answer: wrapped } });
  });

  test("that no rule permits - is not put to anybody", async () => {
    const project = asks(anAnswer, []);
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asks-people", {});
    const events = await platform.reach(run, "failed");
    expect(events.at(-1)?.data).toMatchObject({ error: { code: "CALL_REFUSED" } });
    expect(
      (await listQuestions(platform.database, { status: "open", limit: 1_000 })).questions.filter(
        (open) => open.run === run,
      ),
    ).toEqual([]);
  });

  test("whose run fails for another reason - is void", async () => {
    const agent = defineAgent({
      name: "gives-up",
      state: State,
      graph: ({ human, clock }) =>
        new StateGraph(State)
          .addNode("ask", async () => ({
            answer: await human.ask({ question: "Well?", pool: "finance", answer: z.string() }),
          }))
          .addNode("throws", async () => {
            for (let i = 0; i < 20; i++) await clock.now();
            throw new Error("boom");
          })
          .addEdge(START, "ask")
          .addEdge(START, "throws")
          .addEdge("ask", END)
          .addEdge("throws", END),
    });
    const project = defineConfig({ agents: [agent], rules: [permitAll] });
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "gives-up", {});
    await platform.reach(run, "failed");
    const question = (await listQuestions(platform.database, { status: "all", limit: 1_000 })).questions.find(
      (one) => one.run === run,
    );
    expect(question?.status).toBe("void");
    if (question) await expect(answer(question, "x")).rejects.toMatchObject({ code: "ALREADY_DECIDED" });
  });
});
