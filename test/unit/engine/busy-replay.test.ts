import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineTool } from "signalbox";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { TestEngine } from "../../support/engine.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";

describe("a node that takes its time in a replay", () => {
  /** Fails its first attempt at its end, so that everything before is replayed. */
  async function replayed(
    body: (handles: never, again: boolean) => Promise<unknown>,
    tools: Parameters<typeof oneNode>[0],
  ): Promise<string> {
    const engine = new TestEngine();
    let again = false;
    const agent = oneNode(tools, (handles) => body(handles as never, again));
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    engine.memory.cut = (events) => events.some(({ type }) => type === "node_finished");
    expect(await engine.attempt(compiled, run)).toBe("cut");
    engine.memory.cut = () => false;
    again = true;
    const status = await engine.attempt(compiled, run);
    return status === "failed" ? JSON.stringify((await engine.events(run)).at(-1)?.data) : status;
  }

  type Notes = {
    tools: { read: (x: { id: string }) => Promise<unknown>; slow: (x: { id: string }) => Promise<unknown> };
  };
  const slow = defineTool({
    name: "slow",
    effect: "read",
    input: z.object({ id: z.string() }),
    output: z.object({}),
    run: async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return {};
    },
  });

  test("in plain code between two recorded calls - has not gone another way", async () => {
    const { read } = notingTools();
    const status = await replayed(
      async ({ tools }: Notes, again) => {
        // The first one asked is the last one that ends, so that it waits for the other in the replay.
        await Promise.all([tools.slow({ id: "a" }), tools.read({ id: "b" })]);
        // Longer than the body may ask for something else than what is recorded.
        if (again) await new Promise((resolve) => setTimeout(resolve, 600));
        await tools.read({ id: "c" });
      },
      { read, slow },
    );
    expect(status).toBe("finished");
  });

  test("while a node beside it waits for it - keeps that one waiting, and none has gone another way", async () => {
    const { read, put } = notingTools();
    const engine = new TestEngine();
    let again = false;
    const State = Annotation.Root({
      log: Annotation<string[]>({ reducer: (a, b) => [...a, ...b], default: () => [] }),
    });
    const Inner = Annotation.Root({ id: Annotation<string>() });
    const agent = defineAgent({
      name: "beside",
      state: State,
      tools: { put, read },
      graph: ({ tools }) => {
        const inner = new StateGraph(Inner)
          .addNode("innermost", async () => {
            await tools.read({ id: "inner" });
            // Recorded as begun, and not as finished.
            if (!again) engine.memory.cut = () => true;
            return {};
          })
          .addEdge(START, "innermost")
          .addEdge("innermost", END)
          .compile();
        return new StateGraph(State)
          .addNode("outer", async () => {
            if (again) await new Promise((resolve) => setTimeout(resolve, 600));
            await inner.invoke({ id: "x" });
            return {};
          })
          .addNode("beside", async () => {
            if (!again) await new Promise<never>(() => undefined);
            await tools.put({ id: "new" });
            return {};
          })
          .addEdge(START, "outer")
          .addEdge(START, "beside")
          .addEdge("outer", END)
          .addEdge("beside", END);
      },
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("cut");
    engine.memory.cut = () => false;
    again = true;
    expect(await engine.attempt(compiled, run)).toBe("finished");
  });

  test("that waits for a call which it does not ask for any more - has gone another way, and says so", async () => {
    const { read } = notingTools();
    const status = await replayed(
      async ({ tools }: Notes, again) => {
        await Promise.all([tools.slow({ id: "a" }), again ? null : tools.read({ id: "b" })]);
      },
      { read, slow },
    );
    expect(status).toContain("NON_DETERMINISM");
  });
});
