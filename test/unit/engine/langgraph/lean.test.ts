import { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import { RunnableLambda, type RunnableConfig } from "@langchain/core/runnables";
import { Annotation, Command, END, getConfig, MemorySaver, Send, START, StateGraph, task } from "@langchain/langgraph";
import { describe, expect, test } from "vitest";
import type { JsonValue } from "../../../../runtime/core/json.ts";
import { decode } from "../../../../runtime/engine/codec.ts";
import { ShapeRun, shapeAgent } from "../../../support/shapes.ts";

type Shape = Parameters<typeof shapeAgent>[0];

const State = Annotation.Root({
  log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
  /** Has no default: the channel is empty until somebody writes. */
  last: Annotation<string>(),
});
const graph = () => new StateGraph(State);
const adds = (word: string) => () => ({ log: [word] });
const says = (word: string) => () => ({ log: [word], last: word });

/** The output of a governed run. */
async function governed(shape: () => unknown, input: object = {}): Promise<unknown> {
  const run = await new ShapeRun(() => shapeAgent(shape as unknown as Shape)).start(input);
  await run.go();
  return decode((await run.output()) as JsonValue);
}

/** What LangGraph itself makes of the same graph. */
async function plain(shape: () => unknown, input: object = {}): Promise<unknown> {
  const built = shape() as { compile(options: object): { invoke(input: object, config: object): Promise<unknown> } };
  return built.compile({ checkpointer: new MemorySaver() }).invoke(input, { configurable: { thread_id: "1" } });
}

describe("a graph", () => {
  const shapes: Record<string, () => unknown> = {
    "one after the other": () =>
      graph().addNode("a", says("a")).addNode("b", says("b")).addEdge(START, "a").addEdge("a", "b"),
    "that writes nothing": () =>
      graph()
        .addNode("a", () => ({}))
        .addEdge(START, "a"),
    "whose node gives undefined": () =>
      graph()
        .addNode("a", () => undefined as never)
        .addEdge(START, "a"),
    "whose node gives null for a channel": () =>
      graph()
        .addNode("a", () => ({ last: null as never }))
        .addEdge(START, "a"),
    "with a branch function": () =>
      graph()
        .addNode("a", says("a"))
        .addNode("b", says("b"))
        .addEdge(START, "a")
        .addConditionalEdges("a", ({ last }) => (last === "a" ? "b" : END)),
    "with a branch function to several nodes and an edge": () =>
      graph()
        .addNode("a", says("a"))
        .addNode("b", adds("b"))
        .addNode("c", adds("c"))
        .addNode("d", adds("d"))
        .addEdge(START, "a")
        .addEdge("a", "b")
        .addConditionalEdges("a", () => Promise.resolve(["c", "d"])),
    "with a join": () =>
      graph()
        .addNode("a", says("a"))
        .addNode("b", () => ({ log: ["b"] }))
        .addNode("c", () => ({ log: ["c"] }))
        .addNode("d", says("d"))
        .addEdge(START, "a")
        .addEdge("a", "b")
        .addEdge("a", "c")
        .addEdge(["b", "c"], "d"),
    "with a node that is deferred": () =>
      graph()
        .addNode("a", () => ({ log: ["a"] }))
        .addNode("b", () => ({ log: ["b"] }))
        .addNode("z", says("z"), { defer: true })
        .addEdge(START, "a")
        .addEdge(START, "z")
        .addEdge("a", "b")
        .addEdge("b", "z"),
    "with commands": () =>
      graph()
        .addNode("a", () => new Command({ goto: "b", update: { log: ["a"] } }), { ends: ["b", "c"] })
        .addNode("b", () => [new Command({ goto: "c", update: { log: ["b"] } }), { last: "b" }] as never, {
          ends: ["c"],
        })
        .addNode("c", says("c"))
        .addEdge(START, "a"),
    "with a command to send": () =>
      graph()
        .addNode("a", () => new Command({ goto: [new Send("b", { last: "1" }), new Send("b", { last: "2" })] }), {
          ends: ["b"],
        })
        .addNode("b", ({ last }) => ({ log: [last] }))
        .addEdge(START, "a"),
    "with a command to the first node": () =>
      graph()
        .addNode("a", says("a"))
        .addNode("b", says("b"))
        .addConditionalEdges(START, () => new Send("b", { last: "x" }))
        .addEdge("a", END),
    "with a node that is a LangChain runnable": () =>
      graph()
        .addNode("a", RunnableLambda.from(says("a")))
        .addEdge(START, "a"),
    "with a node that gives back a runnable": () =>
      graph()
        .addNode("a", () => RunnableLambda.from(says("lambda")) as never)
        .addEdge(START, "a"),
    "with a writer and a signal in the configuration": () =>
      graph()
        .addNode("a", (_, config) => {
          config.writer("nobody reads this");
          return {
            log: [
              typeof config.writer,
              String(config.signal.aborted),
              String(config.configurable?.["thread_id"]).length > 0 ? "thread" : "",
            ],
          };
        })
        .addEdge(START, "a"),
  };
  test.each(Object.entries(shapes))("%s - ends as LangGraph ends it", async (_, shape) => {
    expect(await governed(shape)).toEqual(await plain(shape));
  });

  test("with input - starts from it", async () => {
    const shape = () => graph().addNode("a", says("a")).addEdge(START, "a");
    expect(await governed(shape, { log: ["before"], last: "0" })).toEqual({ log: ["before", "a"], last: "a" });
  });
});

/** What code in a node may read from its configuration, as far as it is the same in each run. */
function seen(config: RunnableConfig): unknown {
  const {
    metadata = {},
    configurable = {},
    tags,
    recursionLimit,
    ...rest
  } = config as RunnableConfig & Record<string, unknown>;
  const { langgraph_step, langgraph_node, langgraph_triggers, langgraph_path } = metadata;
  return {
    langgraph_step,
    langgraph_node,
    langgraph_triggers,
    langgraph_path,
    metadata: Object.keys(metadata).sort(),
    configurable: Object.keys(configurable)
      .filter((key) => !key.startsWith("signalbox") && key !== "__pregel_abort_signals")
      .sort(),
    tags,
    recursionLimit: typeof recursionLimit,
    rest: Object.keys(rest)
      .filter((key) => rest[key] !== undefined && key !== "durability")
      .sort(),
  };
}

describe("the configuration", () => {
  test("that a node is given, and finds around itself - has what LangGraph puts there", async () => {
    const found: unknown[][] = [];
    const shape = () => {
      const here: unknown[] = [];
      found.push(here);
      const look = (_: unknown, config: RunnableConfig) => {
        here.push(seen(config), seen(getConfig()));
        return { log: ["x"] };
      };
      return graph().addNode("a", look).addNode("b", look).addEdge(START, "a").addEdge("a", "b");
    };
    await plain(shape);
    await governed(shape);
    // An agent's graph is built once to be looked at as well.
    const [byLangGraph, ours] = found.filter((here) => here.length > 0);
    expect(ours).toEqual(byLangGraph);
  });

  test("with callbacks - they hear of nodes as from LangGraph", async () => {
    const heard: string[][] = [];
    const shape = () => {
      const here: string[] = [];
      heard.push(here);
      class Listener extends BaseCallbackHandler {
        name = "listener";
        override handleChainStart(...given: unknown[]): void {
          here.push(`start ${String(given[7])}`);
        }
        override handleChainEnd(): void {
          here.push("end");
        }
      }
      const compiled = graph()
        .addNode("a", says("a"))
        .addNode("b", says("b"))
        .addEdge(START, "a")
        .addEdge("a", "b")
        .compile();
      return compiled.withConfig({ callbacks: [new Listener()] });
    };
    await governed(shape);
    const bare = shape() as unknown as { invoke(input: object): Promise<unknown> };
    await bare.invoke({});
    const [ours, byLangGraph] = [heard.find((here) => here.length > 0), heard.at(-1)];
    expect(ours?.filter((line) => /start [ab]$/.test(line))).toEqual(["start a", "start b"]);
    expect(byLangGraph?.filter((line) => /start [ab]$/.test(line))).toEqual(["start a", "start b"]);
  });
});

describe("a node that runs alone", () => {
  test("and throws - fails the run with what it threw", async () => {
    const shape = () =>
      graph()
        .addNode("a", () => {
          throw new TypeError("no");
        })
        .addEdge(START, "a");
    expect(await governed(shape)).toMatchObject({ error: { name: "TypeError", message: "no" } });
  });

  test("and calls a task of the functional API - is refused", async () => {
    const double = task("double", (n: number) => Promise.resolve(2 * n));
    const shape = () =>
      graph()
        .addNode("a", async () => ({ log: [String(await double(1))] }))
        .addEdge(START, "a");
    expect(await governed(shape)).toMatchObject({ error: { code: "UNSUPPORTED_GRAPH" } });
  });
});
