import { Annotation, Command, END, Send, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, type AnyAgent } from "signalbox";
import { describe, expect, test } from "vitest";
import { TestEngine, typesOf } from "../../support/engine.ts";
import { notingTools } from "../../support/one-node.ts";
import { output, parkAndFinish, projected } from "../../support/park-and-finish.ts";

describe("branches", () => {
  test("a choice by chance - is recorded and taken again", async () => {
    const { called: _, ...tools } = notingTools();
    const State = Annotation.Root({ way: Annotation<string>() });
    let choices = 0;
    const agent = defineAgent({
      name: "forks",
      state: State,
      tools,
      graph: ({ tools }) => {
        const pays = (way: string) => async () => {
          await tools.pay({ id: way });
          return { way };
        };
        return new StateGraph(State)
          .addNode("left", pays("left"))
          .addNode("right", pays("right"))
          .addConditionalEdges(START, () => (choices++ % 2 === 0 ? "left" : "right"), ["left", "right"])
          .addEdge("left", END)
          .addEdge("right", END);
      },
    });
    const events = await parkAndFinish(agent, {});
    expect(choices).toBe(1);
    expect(output(events)).toEqual({ way: "left" });
  });

  test("a call in a branch function - is refused, and so is one in a reducer", async () => {
    const { called, ...tools } = notingTools();
    const State = Annotation.Root({ x: Annotation<number>() });
    const agent = defineAgent({
      name: "peeks",
      state: State,
      tools,
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("a", () => ({ x: 1 }))
          .addEdge(START, "a")
          .addConditionalEdges(
            "a",
            async () => {
              await tools.put({ id: "branch" });
              return END;
            },
            [END],
          ),
    });
    const engine = new TestEngine();
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
    const events = await engine.events(run);
    expect(events.at(-1)?.data).toMatchObject({ error: { code: "EFFECT_OUTSIDE_NODE" } });
    expect(JSON.stringify(events.at(-1)?.data)).toContain("branch function 1/a>");
    expect(called).toEqual([]);
  });

  test("Send over 50 branches with calls in each, parked in the middle - makes every call once", async () => {
    const { called, ...tools } = notingTools();
    const State = Annotation.Root({
      all: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
      item: Annotation<{ id: string }>(),
    });
    const agent = defineAgent({
      name: "spreads",
      state: State,
      tools,
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("one", async ({ item }: { item: { id: string } }) => {
            const read = await tools.read({ id: item.id });
            // What a branch was sent is its own.
            item.id = "changed";
            const put =
              Number(read.id) % 10 === 7
                ? await tools.pay({ id: `p${read.id}` })
                : await tools.put({ id: `w${read.id}` });
            return { all: [put.id] };
          })
          .addConditionalEdges(
            START,
            () => Array.from({ length: 50 }, (_, i) => new Send("one", { item: { id: String(i) } })),
            ["one"],
          )
          .addEdge("one", END),
    });
    const events = await parkAndFinish(agent, {});
    expect(called).toHaveLength(100);
    expect(new Set(called).size).toBe(100);
    const { all } = output(events) as { all: string[] };
    expect(all).toEqual(Array.from({ length: 50 }, (_, i) => (i % 10 === 7 ? `p${String(i)}` : `w${String(i)}`)));
    expect(projected(events)).toEqual(output(events));
  });

  test("a Command with goto, update and Send - takes the same way again", async () => {
    const { called, ...tools } = notingTools();
    const State = Annotation.Root({
      log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
    });
    const agent = defineAgent({
      name: "commands",
      state: State,
      tools,
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode(
            "first",
            () => new Command({ update: { log: ["first"] }, goto: ["second", new Send("third", { log: ["sent"] })] }),
            {
              ends: ["second", "third"],
            },
          )
          .addNode("second", async () => ({ log: [(await tools.pay({ id: "second" })).id] }))
          .addNode("third", async ({ log }) => ({ log: [(await tools.put({ id: `third-${log.join()}` })).id] }))
          .addEdge(START, "first")
          .addEdge("second", END)
          .addEdge("third", END),
    });
    const events = await parkAndFinish(agent, {});
    expect(called).toEqual(["third-sent", "second"]);
    expect(output(events)["log"]).toHaveLength(3);
    expect(typesOf(events).filter((type) => type === "node_finished")).toHaveLength(3);
    expect(projected(events)).toEqual(output(events));
  });

  test("a graph inside a node - makes its calls as that node's", async () => {
    const { called, ...tools } = notingTools();
    const State = Annotation.Root({
      log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
    });
    const agent = defineAgent({
      name: "nests",
      state: State,
      tools,
      graph: ({ tools }) => {
        const inner = new StateGraph(State)
          .addNode("reads", async () => ({ log: [(await tools.read({ id: "r" })).id] }))
          .addNode("pays", async () => ({ log: [(await tools.pay({ id: "p" })).id] }))
          .addEdge(START, "reads")
          .addEdge("reads", "pays")
          .addEdge("pays", END)
          .compile();
        return new StateGraph(State).addNode("inner", inner).addEdge(START, "inner").addEdge("inner", END);
      },
    });
    const events = await parkAndFinish(agent, {});
    expect(called).toEqual(["r", "p"]);
    expect(output(events)).toEqual({ log: ["r", "p"] });
  });
});

describe("what is not governed", () => {
  const State = Annotation.Root({ x: Annotation<number>() });
  test.each([
    ["cachePolicy", { cachePolicy: true }],
    ["timeout", { timeout: { idleTimeout: 100, refreshOn: "heartbeat" } }],
  ])("%s - is refused, on a node and as a default", (option, options) => {
    const on = (where: "node" | "defaults"): AnyAgent =>
      defineAgent({
        name: "options",
        state: State,
        graph: () => {
          const builder = new StateGraph(State) as unknown as {
            setNodeDefaults: (options: object) => void;
            addNode: (name: string, body: () => object, options?: object) => void;
            addEdge: (from: string, to: string) => void;
          };
          if (where === "defaults") builder.setNodeDefaults(options);
          builder.addNode("a", () => ({}), where === "node" ? options : undefined);
          builder.addEdge(START, "a");
          builder.addEdge("a", END);
          return builder as never;
        },
      });
    for (const where of ["node", "defaults"] as const) {
      expect(() => new TestEngine().compile(on(where))).toThrow(
        expect.objectContaining({
          code: "UNSUPPORTED_GRAPH",
          message: expect.stringContaining(option) as string,
        }) as Error,
      );
    }
  });
});
