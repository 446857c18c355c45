import { AIMessage } from "@langchain/core/messages";
import {
  Annotation,
  entrypoint,
  InMemoryStore,
  MessagesAnnotation,
  NodeInterrupt,
  pushMessage,
  Send,
  START,
  StateGraph,
} from "@langchain/langgraph";
import { describe, expect, test } from "vitest";
import { TestEngine } from "../../../support/engine.ts";
import { ShapeRun, shapeAgent } from "../../../support/shapes.ts";

const State = Annotation.Root({ n: Annotation<number>({ reducer: (a, b) => a + b, default: () => 0 }) });
type Shape = Parameters<typeof shapeAgent>[0];

/** A graph that goes round until it has made so many turns. */
function turns(count: number) {
  return new StateGraph(State)
    .addNode("turn", () => ({ n: 1 }))
    .addEdge(START, "turn")
    .addConditionalEdges("turn", ({ n }) => (n < count ? "turn" : "__end__"));
}

async function outcome(shape: Shape, maxSupersteps?: number): Promise<unknown> {
  const limits = maxSupersteps === undefined ? {} : { maxSupersteps };
  const run = await new ShapeRun(() => shapeAgent(shape), { limits }).start({});
  await run.go();
  return run.output();
}

describe("the bound on supersteps", { timeout: 20_000 }, () => {
  // LangGraph counts the input as well.
  const limit = (count: number): object => ({
    error: { code: "SUPERSTEP_LIMIT", message: expect.stringContaining(`(${String(count)} `) as string },
  });

  test("of the platform - ends a run that goes in a circle, with how many it was", async () => {
    expect(await outcome(() => turns(Infinity), 30)).toMatchObject(limit(30));
    expect(await outcome(() => turns(29), 30)).toEqual({ n: 29 });
  });

  test("that the graph was given with withConfig - counts where it is smaller, and not where it is larger", async () => {
    const bound = (recursionLimit: number, count: number) => () =>
      turns(count).compile().withConfig({ recursionLimit });
    expect(await outcome(bound(5, 6), 30)).toMatchObject(limit(5));
    expect(await outcome(bound(5, 4), 30)).toEqual({ n: 4 });
    expect(await outcome(bound(50, 40), 30)).toMatchObject(limit(30));
  });

  test("LangGraph's own of 25 - does not count", async () => {
    expect(await outcome(() => turns(40))).toEqual({ n: 40 });
    expect(
      await outcome(() => new StateGraph(State).addNode("inner", turns(35).compile()).addEdge(START, "inner")),
    ).toEqual({ n: 35 });
  });

  test("of a graph inside a node - reaches the node's code, which may go on another way", async () => {
    const inner = turns(10).compile().withConfig({ recursionLimit: 4 });
    const around =
      (body: () => Promise<{ n: number }>): Shape =>
      () =>
        new StateGraph(State).addNode("around", body).addEdge(START, "around");
    expect(await outcome(around(() => inner.invoke({})))).toMatchObject({ error: { code: "SUPERSTEP_LIMIT" } });
    const caught = around(() => inner.invoke({}).catch((error: unknown) => ({ n: (error as Error).name.length })));
    expect(await outcome(caught)).toEqual({ n: "GraphRecursionError".length });
  });
});

describe("what is not governed", { timeout: 20_000 }, () => {
  const simple = () => new StateGraph(State).addNode("a", () => ({ n: 1 })).addEdge(START, "a");
  const around = (inner: ReturnType<ReturnType<typeof simple>["compile"]>) => ({
    node: () => new StateGraph(State).addNode("inner", inner).addEdge(START, "inner"),
    function: () => new StateGraph(State).addNode("inner", () => inner.invoke({})).addEdge(START, "inner"),
  });

  test.each([
    ["store", { store: new InMemoryStore() }],
    ["interruptBefore", { interruptBefore: ["a" as const] }],
    ["interruptAfter", { interruptAfter: ["a" as const] }],
    ["checkpointer", { checkpointer: true as const }],
  ])(
    "a graph compiled with %s - is refused by name, when the agent is compiled or when a node runs it",
    async (name, options) => {
      const named = expect.stringContaining(name) as string;
      const refused = expect.objectContaining({ code: "UNSUPPORTED_GRAPH", message: named }) as Error;
      const compiled = simple().compile(options);
      const engine = new TestEngine();
      expect(() => engine.compile(shapeAgent(() => compiled))).toThrow(refused);
      expect(() => engine.compile(shapeAgent(around(compiled).node))).toThrow(refused);
      expect(await outcome(around(compiled).function)).toMatchObject({
        error: { code: "UNSUPPORTED_GRAPH", message: named },
      });
    },
  );

  test("a node's option inside a graph inside a node - is refused too", async () => {
    const inner = new StateGraph(State)
      .addNode("a", () => ({ n: 1 }), { cachePolicy: true })
      .addEdge(START, "a")
      .compile();
    expect(() => new TestEngine().compile(shapeAgent(around(inner).node))).toThrow(/cachePolicy/);
    expect(await outcome(around(inner).function)).toMatchObject({ error: { code: "UNSUPPORTED_GRAPH" } });
  });

  test("the functional API - is refused", async () => {
    const functional = entrypoint("functional", (n: number) => Promise.resolve(n + 1));
    expect(() => new TestEngine().compile(shapeAgent(() => functional as never))).toThrow(/entrypoint/);
    const inside = () =>
      new StateGraph(State).addNode("a", async () => ({ n: await functional.invoke(1) })).addEdge(START, "a");
    expect(await outcome(inside)).toMatchObject({
      error: { code: "UNSUPPORTED_GRAPH", message: expect.stringContaining("entrypoint") as string },
    });
  });

  test("neither a graph nor a builder - is refused", () => {
    for (const given of [undefined, null, 1, {}, () => undefined]) {
      expect(() => new TestEngine().compile(shapeAgent(() => given as never))).toThrow(/neither a StateGraph/);
    }
  });

  test.each([
    [
      "a node that writes past its result",
      "pushMessage",
      () =>
        new StateGraph(MessagesAnnotation)
          .addNode("a", (_, config) => {
            pushMessage(new AIMessage({ id: "1", content: "pushed" }), config);
            return {};
          })
          .addEdge(START, "a"),
    ],
    [
      "an interrupt that takes no answer",
      "interrupt(value)",
      () =>
        new StateGraph(State)
          .addNode("a", () => {
            throw new NodeInterrupt("stop");
          })
          .addEdge(START, "a"),
    ],
    [
      "a Send with a timeout",
      "Send with a timeout",
      () => simple().addConditionalEdges("a", () => [new Send("a", {}, { timeout: 5 })]),
    ],
  ] satisfies [string, string, Shape][])("%s - fails the run by name", async (_, named, shape) => {
    expect(await outcome(shape)).toMatchObject({ error: { message: expect.stringContaining(named) as string } });
  });
});
