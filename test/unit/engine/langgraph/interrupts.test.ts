import { interrupt, START, StateGraph } from "@langchain/langgraph";
import { describe, expect, test } from "vitest";
import type { JournalEvent } from "../../../../runtime/core/events.ts";
import type { JsonValue } from "../../../../runtime/core/json.ts";
import { decode } from "../../../../runtime/engine/codec.ts";
import { DENIED, HELD, type Say } from "../../../support/engine.ts";
import { approval, caught, form, returns, several, typed } from "../../../support/langgraph/interrupts.ts";
import { Log } from "../../../support/langgraph/subgraphs.ts";
import type { World } from "../../../support/langgraph/world.ts";
import { ShapeRun, shapeAgent, textOf } from "../../../support/shapes.ts";

type Shape = Parameters<typeof shapeAgent>[0];

function start(shape: Shape, options: { say?: Say; pool?: string | null } = {}): Promise<ShapeRun> {
  const { pool = "finance", ...engine } = options;
  return new ShapeRun((called) => shapeAgent(shape, { called, pool }), engine).start({});
}

/** Pays without asking, so that only interrupts wait. */
const freely: Say = () => undefined;

function error(events: readonly JournalEvent[]): unknown {
  const last = events.at(-1);
  return last?.type === "run_failed" ? last.data.error : last;
}

describe("LangGraph's interrupt()", { timeout: 20_000 }, () => {
  test("parks the run, is a question of the agent's pool with the whole value in the record, and returns the answer", async () => {
    const run = await start(approval, { say: freely });
    expect(await run.go()).toBe("parked");
    const [question, ...others] = await run.questions();
    expect(others).toEqual([]);
    expect(question).toMatchObject({
      kind: "human",
      name: "interrupt:finance",
      nth: 0,
      input: {
        question: "Is this right?",
        pool: "finance",
        answer: {},
        value: { question: "Is this right?", draft: ["draft"] },
      },
    });
    expect(await run.waits()).toEqual([{ kind: "human", effect: question?.effect, question: question?.id }]);
    expect(run.engine.memory.views).toContainEqual({
      view: "question_asked",
      id: question?.id,
      effect: question?.effect,
      pool: "finance",
      question: "Is this right?",
      answer: {},
    });
    // Woken for nothing: it asks nothing again, and what was called before is not called again.
    expect(await run.go()).toBe("parked");
    expect(await run.questions()).toEqual([question]);
    expect(run.called).toEqual(["draft", "before"]);
    await run.answer(question, true);
    expect(await run.go()).toBe("finished");
    expect(run.called).toEqual(["draft", "before", "p"]);
    expect(await run.output()).toEqual({ log: ["draft", "true", "p"] });
  });

  test("answered no - goes the other way", async () => {
    const run = await start(approval, { say: freely });
    await run.go();
    await run.answer((await run.questions())[0], false);
    expect(await run.go()).toBe("finished");
    expect(run.called).toEqual(["draft", "before"]);
  });

  test.each([[null], [0], [""], [[1, { a: null }]], [{ $type: "date", value: "1970-01-01" }]])(
    "answered with %j - returns exactly that",
    async (given) => {
      const run = await start(returns, { say: freely });
      await run.go();
      await run.answer((await run.questions())[0], given);
      expect(await run.go()).toBe("finished");
      expect(decode((await run.output()) as JsonValue)).toEqual({ given });
    },
  );

  test("several in one node - are asked one after the other, each once, and what was called between them is not called again", async () => {
    const run = await start(form, { say: freely });
    const asked: string[] = [];
    for (const answer of ["ada", "old", 36]) {
      expect(await run.go()).toBe("parked");
      const questions = await run.questions();
      expect(questions).toHaveLength(1);
      asked.push(...questions.map(textOf));
      await run.answer(questions[0], answer);
    }
    expect(await run.go()).toBe("finished");
    expect(asked).toEqual(["What is your name?", "How old are you?", '"old" is not an age. How old are you?']);
    expect(run.called).toEqual(["ada", "ada 36"]);
  });

  const TEXTS = ["a?", "b?", "inner?", "inner?", "x?", "y?", "z?"];

  test.each(["forwards", "backwards", "all at once"])(
    "several at once, answered %s - each gets its own answer",
    async (order) => {
      const run = await start(several, { say: freely });
      expect(await run.go()).toBe("parked");
      const questions = await run.questions();
      expect(questions.map(textOf).sort()).toEqual(TEXTS);
      expect(new Set(questions.map(({ effect }) => effect)).size).toBe(7);
      const ordered = order === "backwards" ? [...questions].reverse() : questions;
      for (const [i, question] of ordered.entries()) {
        await run.answer(question, `answer to ${question.node}`);
        if (order === "all at once") continue;
        expect(await run.go()).toBe(i === 6 ? "finished" : "parked");
        // What still waits is exactly what has no answer, and nothing is asked again.
        if (i < 6)
          expect((await run.waits()).map(({ effect }) => effect).sort()).toEqual(
            ordered
              .slice(i + 1)
              .map(({ effect }) => effect)
              .sort(),
          );
      }
      if (order === "all at once") expect(await run.go()).toBe("finished");
      const events = await run.events();
      const updates = new Map(
        events.flatMap((event) => (event.type === "node_finished" ? [[event.data.node, event.data.update]] : [])),
      );
      for (const { node } of questions) expect(JSON.stringify(updates.get(node))).toContain(`answer to ${node}`);
      expect(events.filter((event) => event.type === "effect_intended" && event.data.kind === "human")).toHaveLength(7);
    },
  );

  test("in a graph inside a node - waits once, with the key of the node that asks", async () => {
    const run = await start(several, { say: freely });
    await run.go();
    const nodes = (await run.questions()).map(({ node }) => node);
    expect(nodes).toContain("1/inner|2/asks");
    expect(nodes.find((node) => node.startsWith("1/function"))).toMatch(/^1\/function~[0-9a-f]{8}\|2\/asks$/);
    expect((await run.waits()).map(({ kind }) => kind)).toEqual(Array(7).fill("human"));
  });

  test("with a schema for the answer - shows the schema, and an answer that does not fit it fails the node", async () => {
    const run = await start(typed);
    await run.go();
    const [question] = await run.questions();
    expect(question?.input).toMatchObject({
      answer: { type: "object", properties: { plan: { enum: ["small", "large"] } }, required: ["plan"] },
    });
    await run.answer(question, { plan: "medium" });
    expect(await run.go()).toBe("failed");
    expect(JSON.stringify(error(await run.events()))).toContain("plan");
  });

  test("in an agent that names no pool - fails the run and says so", async () => {
    const run = await start(approval, { say: freely, pool: null });
    expect(await run.go()).toBe("failed");
    expect(error(await run.events())).toMatchObject({
      code: "UNSUPPORTED_GRAPH",
      message: expect.stringContaining('interrupts: { pool: "..." }') as string,
    });
    expect(run.engine.memory.views).toEqual([]);
  });

  test("that the rules refuse - is put to nobody", async () => {
    const run = await start(approval, { say: (call) => (call.action === "human.ask" ? DENIED : undefined) });
    expect(await run.go()).toBe("failed");
    expect(error(await run.events())).toMatchObject({ code: "CALL_REFUSED" });
    expect(await run.questions()).toEqual([]);
  });

  test("that the rules refused before a crash - is refused again, without asking them", async () => {
    let judged = 0;
    const run = await start(approval, {
      say: (call) => (call.action === "human.ask" ? (judged++, DENIED) : undefined),
    });
    let died = false;
    run.engine.memory.cut = (events) => !died && (died = events.some(({ type }) => type === "node_failed"));
    expect(await run.go()).toBe("failed");
    expect([died, judged]).toEqual([true, 1]);
    expect(error(await run.events())).toMatchObject({ code: "CALL_REFUSED" });
  });

  test("that a rule holds - is put once somebody has approved it", async () => {
    const run = await start(approval, {
      say: (call) => (call.action === "human.ask" && !call.approval.satisfied ? HELD : undefined),
    });
    expect(await run.go()).toBe("parked");
    expect(await run.questions()).toEqual([]);
    await run.engine.decide(run.run, (await run.engine.held(run.run))[0], "approve");
    expect(await run.go()).toBe("parked");
    await run.answer((await run.questions())[0], true);
    expect(await run.go()).toBe("finished");
    expect(run.called).toEqual(["draft", "before", "p"]);
  });

  test.each([
    ["returns", "it then returned"],
    ["calls", "it then called pay"],
    ["throws", "it then threw another error"],
    ["finally", "it then called pay"],
    ["allSettled", "it then called read"],
  ] as const)("whose error is caught by code that %s - fails the run, and nothing is called", async (how, what) => {
    const run = await start((world: World) => caught(world, how), { say: freely });
    expect(await run.go()).toBe("failed");
    expect(error(await run.events())).toMatchObject({
      code: "INTERRUPT_CAUGHT",
      message: expect.stringContaining(what) as string,
    });
    expect(run.called).toEqual([]);
    expect(await run.questions()).toEqual([]);
  });

  test.each([true, false])(
    "that the code does not call any more (answered: %s) - fails the run instead of going on without it",
    async (answered) => {
      let asks = true;
      const run = await start(
        (world) =>
          new StateGraph(Log)
            .addNode("asks", async () => {
              if (asks) interrupt("really?");
              return { log: [await world.pay("p")] };
            })
            .addEdge(START, "asks"),
        { say: freely },
      );
      await run.go();
      if (answered) await run.answer((await run.questions())[0], "yes");
      asks = false;
      expect(await run.go()).toBe("failed");
      expect(error(await run.events())).toMatchObject({
        code: "NON_DETERMINISM",
        message: expect.stringContaining("interrupt:finance") as string,
      });
      expect(run.called).toEqual([]);
    },
  );

  test("answered twice at once - takes the first answer and sets the second aside", async () => {
    const run = await start(approval, { say: freely });
    await run.go();
    const [question] = await run.questions();
    expect(await run.answer(question, true, "1")).toBe(true);
    expect(await run.answer(question, false, "2")).toBe(true);
    expect(await run.go()).toBe("finished");
    expect(await run.output()).toEqual({ log: ["draft", "true", "p"] });
    expect(run.engine.trouble).toEqual(["a message was set aside: the run does not wait for it"]);
    // A run that has ended takes nothing more.
    expect(await run.answer(question, false, "3")).toBe(false);
  });
});
