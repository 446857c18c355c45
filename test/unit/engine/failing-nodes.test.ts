import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineTool } from "signalbox";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { TestEngine, typesOf } from "../../support/engine.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";

describe("a failing node", () => {
  test.each([null, undefined])("that throws %s - says so, and not what LangGraph makes of it", async (thrown) => {
    const engine = new TestEngine();
    const agent = oneNode({}, () => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- that is what is tested
      throw thrown;
    });
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({
      error: { message: `A value that is not an Error was thrown: ${String(thrown)}.` },
    });
  });

  test("beside one in an irreversible call - the call's end is recorded before the run fails", async () => {
    let finish = (): void => undefined;
    let paid = false;
    const pay = defineTool({
      name: "pay",
      effect: "irreversible",
      input: z.object({}),
      output: z.any(),
      run: () =>
        new Promise<null>((resolve) => {
          finish = () => {
            paid = true;
            resolve(null);
          };
        }),
    });
    const { read } = notingTools();
    const State = Annotation.Root({ x: Annotation<unknown>() });
    const agent = defineAgent({
      name: "fails",
      state: State,
      tools: { pay, read },
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("pays", async () => {
            await tools.pay({});
            // Asked for after the other node has failed: not heard.
            await tools.read({ id: "late" });
            return {};
          })
          .addNode("throws", async () => {
            await tools.read({ id: "r" });
            throw new Error("boom");
          })
          .addEdge(START, "pays")
          .addEdge(START, "throws")
          .addEdge("pays", END)
          .addEdge("throws", END),
    });
    const engine = new TestEngine();
    engine.memory.cut = (events) => {
      // The call only comes back when the other node has failed, and LangGraph has given the run up.
      if (events.some(({ type }) => type === "node_failed"))
        setTimeout(() => {
          finish();
        }, 10);
      return false;
    };
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
    expect(paid).toBe(true);
    const events = await engine.events(run);
    expect(typesOf(events)).toEqual([
      "run_started",
      "effect_intended",
      "effect_recorded",
      "node_failed",
      "effect_finished",
      "run_failed",
    ]);
    expect(events.at(-1)?.data).toMatchObject({ error: { name: "Error", message: "boom" } });
  });

  test.each([
    ["a string", "oops", "oops"],
    ["a frozen error", Object.freeze(new Error("cold")), "cold"],
    ["null", null, ""],
  ])("that throws %s - fails the run with what can be read of it", async (_, thrown, message) => {
    const engine = new TestEngine();
    const agent = oneNode({}, () => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- that is what is tested
      throw thrown;
    });
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({
      error: { message: expect.stringContaining(message) as string },
    });
  });

  test("what a node returns and cannot be recorded - fails the run, with its place", async () => {
    for (const bad of [{ a: Symbol("x") }, { ["\ud800"]: 1 }]) {
      const engine = new TestEngine();
      const agent = oneNode({}, () => bad);
      const run = await engine.create(agent, {});
      expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
      expect((await engine.events(run)).at(-1)?.data).toMatchObject({ error: { code: "UNRECORDABLE_VALUE" } });
    }
  });
});
