import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineTool, type AnyTool } from "signalbox";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { TestEngine, typesOf } from "../../support/engine.ts";
import { notingTools } from "../../support/one-node.ts";

const State = Annotation.Root({ x: Annotation<string>() });
type Options = Parameters<StateGraph<typeof State.spec>["addNode"]>[2];
const input = z.object({ id: z.string() });

/** An agent whose one node has LangGraph's options. */
function withOptions<T extends Readonly<Record<string, AnyTool>>>(
  tools: T,
  options: Options,
  body: (tools: Readonly<Record<keyof T, (input: { id: string }) => Promise<{ id: string }>>>) => Promise<string>,
  where: "node" | "defaults" | "inner" = "node",
) {
  return defineAgent({
    name: "options",
    state: State,
    tools,
    graph: (handles) => {
      const builder = new StateGraph(State);
      if (where === "defaults") builder.setNodeDefaults(options as never);
      const graph = builder
        .addNode(
          "work",
          async () => ({ x: await body(handles.tools as never) }),
          where === "node" || where === "inner" ? options : undefined,
        )
        .addEdge(START, "work")
        .addEdge("work", END);
      if (where !== "inner") return graph;
      return new StateGraph(State).addNode("inner", graph.compile()).addEdge(START, "inner").addEdge("inner", END);
    },
  });
}

/** A tool that fails the first times. */
function flaky(times: number, effect: "read" | "irreversible" = "read") {
  const called: string[] = [];
  const tool = defineTool({
    name: "flaky",
    effect,
    input,
    output: input,
    run: ({ id }) => {
      called.push(id);
      if (called.length <= times) throw new Error(`no ${String(called.length)}`);
      return { id };
    },
  });
  return { tool, called };
}

const RETRY = { retryPolicy: { maxAttempts: 3, initialInterval: 10_000, jitter: false } };

describe("a node with LangGraph's retryPolicy", () => {
  test.each(["node", "defaults", "inner"] as const)(
    "on the %s - runs again in its time, with what succeeded from the record",
    async (where) => {
      const engine = new TestEngine();
      const { called, pay } = notingTools();
      const { tool, called: tried } = flaky(2);
      const agent = withOptions(
        { pay, tool },
        RETRY,
        async (tools) => {
          await tools.pay({ id: "p" });
          return (await tools.tool({ id: "f" })).id;
        },
        where,
      );
      const compiled = engine.compile(agent);
      const run = await engine.create(agent, {});
      expect(await engine.attempt(compiled, run)).toBe("parked");
      engine.skip(5_000);
      expect(await engine.attempt(compiled, run)).toBe("parked");
      expect(tried).toHaveLength(1);
      engine.skip(5_001);
      expect(await engine.attempt(compiled, run)).toBe("parked");
      engine.skip(20_001);
      expect(await engine.attempt(compiled, run)).toBe("finished");
      expect(called).toEqual(["p"]);
      expect(tried).toEqual(["f", "f", "f"]);
      const retried = (await engine.events(run)).flatMap((event) =>
        event.type === "node_retried" ? [event.data] : [],
      );
      expect(retried).toMatchObject([{ failures: 1 }, { failures: 2 }]);
    },
  );

  test("that fails each time - fails for good after the last, with the last error", async () => {
    const engine = new TestEngine();
    const { tool, called } = flaky(9);
    const agent = withOptions({ tool }, RETRY, async (tools) => (await tools.tool({ id: "f" })).id);
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    for (let i = 0; i < 2; i++) {
      expect(await engine.attempt(compiled, run)).toBe("parked");
      engine.skip(60_000);
    }
    expect(await engine.attempt(compiled, run)).toBe("failed");
    expect(called).toHaveLength(3);
    expect(JSON.stringify((await engine.events(run)).at(-1)?.data)).toContain("no 3");
  });

  test("cut off in the second try - goes on in it, and another way than the first is no divergence", async () => {
    const engine = new TestEngine();
    const { called, pay, pay2 } = notingTools();
    const { tool } = flaky(1);
    const agent = withOptions({ pay, pay2, tool }, RETRY, async (tools) => {
      try {
        await tools.tool({ id: "f" });
      } catch {
        await tools.pay({ id: "plan b" });
        throw new Error("Not good enough.");
      }
      return (await tools.pay2({ id: "plan a" })).id;
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("parked");
    engine.skip(10_001);
    engine.memory.cut = (events) => events.some(({ type }) => type === "node_finished");
    expect(await engine.attempt(compiled, run)).toBe("cut");
    engine.memory.cut = () => false;
    expect(await engine.attempt(compiled, run)).toBe("finished");
    expect(called).toEqual(["plan b", "plan a"]);
  });

  test("whose failed call may not be repeated - does not make it again", async () => {
    const engine = new TestEngine();
    const { tool, called } = flaky(1, "irreversible");
    const agent = withOptions({ tool }, RETRY, async (tools) => (await tools.tool({ id: "f" })).id);
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    let status = await engine.attempt(compiled, run);
    while (status === "parked") {
      engine.skip(60_000);
      status = await engine.attempt(compiled, run);
    }
    expect(status).toBe("failed");
    expect(called).toEqual(["f"]);
  });

  test("and an error that its retryOn does not want - fails at once", async () => {
    const engine = new TestEngine();
    const { tool, called } = flaky(1);
    const retryPolicy = { ...RETRY.retryPolicy, retryOn: (error: Error) => error.message === "busy" };
    const agent = withOptions({ tool }, { retryPolicy }, async (tools) => (await tools.tool({ id: "f" })).id);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
    expect(called).toHaveLength(1);
  });
});

/** A tool that stays in its call until it is cut off. */
function endless(effect: "read" | "irreversible") {
  return defineTool({
    name: "endless",
    effect,
    input,
    output: input,
    run: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          reject(new Error("cut off"));
        });
      }),
  });
}

describe("a node with a timeout", () => {
  test("that is over in mid-call - cuts the call off by its signal, and fails", async () => {
    const engine = new TestEngine();
    const tool = endless("read");
    const agent = withOptions({ tool }, { timeout: 50 }, async (tools) => (await tools.tool({ id: "e" })).id);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
    const events = await engine.events(run);
    expect(typesOf(events)).toEqual(["run_started", "effect_recorded", "node_failed", "run_failed"]);
    expect(events.at(-1)?.data).toMatchObject({ error: { code: "NODE_TIMEOUT" } });
  });

  test("whose call may not be repeated - does not take the cut for its end", async () => {
    const engine = new TestEngine();
    const tool = endless("irreversible");
    const agent = withOptions({ tool }, { timeout: 50 }, async (tools) => (await tools.tool({ id: "e" })).id);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("parked");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ waits: [{ kind: "doubt" }] });
  });

  test("of its code that calls nothing - fails, and the slot is free", async () => {
    const engine = new TestEngine();
    const agent = withOptions({}, { timeout: { idleTimeout: 60 } }, () => new Promise(() => undefined));
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ error: { code: "NODE_TIMEOUT" } });
  });

  test("of its code by default - is the engine's own", async () => {
    const engine = new TestEngine({ limits: { nodeIdleMs: 60 } });
    const slow = defineTool({
      name: "slow",
      effect: "read",
      input,
      output: input,
      run: (one) => new Promise((resolve) => setTimeout(resolve, 200, one)),
    });
    const agent = withOptions({ slow }, undefined, async (tools) => {
      await tools.slow({ id: "s" });
      return new Promise(() => undefined);
    });
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
    // The call took longer than that, and was let come back.
    expect(typesOf(await engine.events(run))).toEqual(["run_started", "effect_recorded", "node_failed", "run_failed"]);
  });
});
