import { AIMessage, HumanMessage, type BaseMessage, type BaseMessageLike } from "@langchain/core/messages";
import {
  Annotation,
  Command,
  END,
  MessagesAnnotation,
  messagesStateReducer,
  Send,
  START,
  StateGraph,
} from "@langchain/langgraph";
import { defineAgent, type AnyAgent } from "signalbox";
import { describe, expect, test } from "vitest";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import { RunProjection } from "../../../runtime/replay/run-projection.ts";
import { HELD, TestEngine, typesOf, type Say } from "../../support/engine.ts";
import { notingTools } from "../../support/one-node.ts";

const holdPay: Say = (call) => (call.action === "pay" && !call.approval.satisfied ? HELD : undefined);

function output(events: readonly JournalEvent[]): Record<string, unknown> {
  const last = events.at(-1);
  if (last?.type !== "run_finished") throw new Error(JSON.stringify(last?.data));
  return last.data.output as Record<string, unknown>;
}

/** Runs an agent that parks once at a call of `pay`, approves it, and gives the events; `attempts` cuts in between. */
async function parkAndFinish(
  agent: AnyAgent,
  input: unknown,
  engine = new TestEngine({ say: holdPay }),
): Promise<JournalEvent[]> {
  const compiled = engine.compile(agent);
  const run = await engine.create(agent, input);
  expect(await engine.runOn(compiled, run)).toBe("parked");
  // Twice for nothing: every fast-forward compares all that is recorded.
  expect(await engine.runOn(compiled, run)).toBe("parked");
  for (const held of await engine.held(run)) await engine.decide(run, held, "approve");
  expect(await engine.runOn(compiled, run)).toBe("finished");
  return engine.events(run);
}

/** The state as a reader of the record alone puts it together. */
function projected(events: readonly JournalEvent[]): Readonly<Record<string, unknown>> {
  const projection = new RunProjection();
  for (const event of events) projection.apply(event);
  return projection.current().state;
}

describe("messages", () => {
  const likes: [string, BaseMessageLike | BaseMessageLike[]][] = [
    ["a message without an id", new AIMessage("hi")],
    ["a string", "hi"],
    ["two strings", ["user", "hi"]],
    ["a tuple in a list", [["user", "hi"]]],
    ["raw role and content", { role: "assistant", content: "hi" }],
    [
      "a list of all sorts",
      [
        "one",
        { role: "user", content: "two" },
        ["ai", "three"],
        new HumanMessage("four"),
        new AIMessage({ content: "five", id: "5" }),
      ],
    ],
  ];

  test.each(likes)(
    "%s, from a node, from a Command and as input - has the same id in every attempt",
    async (_, like) => {
      const { called: __, ...tools } = notingTools();
      const seen: string[][] = [];
      const ids = (messages: BaseMessage[]): (string | undefined)[] => messages.map(({ id }) => id);
      const agent = defineAgent({
        name: "talks",
        state: MessagesAnnotation,
        tools,
        graph: ({ tools }) =>
          new StateGraph(MessagesAnnotation)
            .addNode("says", () => ({ messages: like }) as never)
            .addNode("commands", () => new Command({ update: { messages: like }, goto: "tuples" }) as never, {
              ends: ["tuples"],
            })
            .addNode("tuples", () => new Command({ update: [["messages", like]] as never, goto: "lists" }) as never, {
              ends: ["lists"],
            })
            .addNode("lists", () => [new Command({ update: { messages: like } }), { messages: like }] as never)
            .addNode("pays", async ({ messages }) => {
              seen.push(ids(messages) as string[]);
              await tools.pay({ id: "p" });
              return {};
            })
            .addEdge(START, "says")
            .addEdge("says", "commands")
            .addEdge("lists", "pays")
            .addEdge("pays", END),
      });
      const events = await parkAndFinish(agent, { messages: like });
      expect(seen).toHaveLength(3);
      expect(seen[1]).toEqual(seen[0]);
      expect(seen[2]).toEqual(seen[0]);
      expect(projected(events)).toEqual(output(events));
    },
  );

  test("one object that several runs say - has an id of its own in each", async () => {
    const GREETING = new AIMessage("Welcome.");
    const agent = defineAgent({
      name: "greets",
      state: MessagesAnnotation,
      graph: () =>
        new StateGraph(MessagesAnnotation)
          .addNode("greet", () => ({ messages: [GREETING] }))
          .addEdge(START, "greet")
          .addEdge("greet", END),
    });
    const engine = new TestEngine();
    const compiled = engine.compile(agent);
    const said: string[] = [];
    for (let i = 0; i < 2; i++) {
      const run = await engine.create(agent, { messages: [] });
      await engine.runOn(compiled, run);
      said.push(JSON.stringify(output(await engine.events(run))["messages"]));
    }
    expect(GREETING.id).toBeUndefined();
    expect(said[0]).not.toBe(said[1]);
  });

  test("one message in two channels - stays one", async () => {
    const State = Annotation.Root({
      messages: Annotation<BaseMessage[], BaseMessageLike[]>({ reducer: messagesStateReducer, default: () => [] }),
      last: Annotation<BaseMessage>(),
    });
    const agent = defineAgent({
      name: "both",
      state: State,
      graph: () =>
        new StateGraph(State)
          .addNode("say", () => {
            const message = new AIMessage("once");
            return { messages: [message], last: message };
          })
          .addEdge(START, "say")
          .addEdge("say", END),
    });
    const engine = new TestEngine();
    const run = await engine.create(agent, {});
    await engine.runOn(engine.compile(agent), run);
    const { messages, last } = output(await engine.events(run));
    expect(messages).toEqual([last]);
  });
});

describe("the state", () => {
  test("lists of objects that nodes copy and extend - are the same in fast-forward, and in the record alone", async () => {
    const { called: _, ...tools } = notingTools();
    type Item = { n: number; tags: string[] };
    const State = Annotation.Root({
      items: Annotation<Item[]>(),
      log: Annotation<Item[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
      merged: Annotation<Record<string, number>>({ reducer: (a, b) => Object.assign(a, b), default: () => ({}) }),
      pushed: Annotation<number[]>({
        reducer: (a, b) => {
          a.push(...b);
          return a;
        },
        default: () => [],
      }),
      when: Annotation<Date>(),
    });
    const agent = defineAgent({
      name: "lists",
      state: State,
      tools,
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("add", ({ items }) => {
            const item = { n: items.length, tags: ["x"] };
            return {
              items: [...items, item],
              log: [item],
              merged: { [`k${String(item.n)}`]: item.n },
              pushed: [item.n],
              when: new Date(item.n),
            };
          })
          .addNode("same", (state) => (state.items.length > 0 ? { items: state.items, when: state.when } : {}))
          .addNode("pays", async () => {
            await tools.pay({ id: "p" });
            return {};
          })
          .addEdge(START, "add")
          .addEdge("add", "same")
          .addConditionalEdges("same", ({ items }) => (items.length < 4 ? "add" : "pays"), ["add", "pays"])
          .addEdge("pays", END),
    });
    const events = await parkAndFinish(agent, { items: [] });
    expect(projected(events)).toEqual(output(events));
    expect(output(events)).toMatchObject({
      items: [0, 1, 2, 3].map((n) => ({ n, tags: ["x"] })),
      log: [0, 1, 2, 3].map((n) => ({ n, tags: ["x"] })),
      merged: { k0: 0, k1: 1, k2: 2, k3: 3 },
      pushed: [0, 1, 2, 3],
      when: { $type: "date", value: "1970-01-01T00:00:00.003Z" },
    });
  });

  test("what a node keeps and changes after it returned - does not change the state", async () => {
    const { called: _, ...tools } = notingTools();
    const State = Annotation.Root({ list: Annotation<number[]>() });
    const kept: number[] = [1];
    const agent = defineAgent({
      name: "keeps",
      state: State,
      tools,
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("gives", () => ({ list: kept }))
          .addNode("changes", () => {
            kept.push(2);
            return {};
          })
          .addNode("pays", async ({ list }) => {
            await tools.pay({ id: String(list.length) });
            return {};
          })
          .addEdge(START, "gives")
          .addEdge("gives", "changes")
          .addEdge("changes", "pays")
          .addEdge("pays", END),
    });
    expect(output(await parkAndFinish(agent, {}))).toEqual({ list: [1] });
  });

  test("a list that a node changes in place - fails the run at once, at the line that does it", async () => {
    const State = Annotation.Root({ list: Annotation<number[]>(), x: Annotation<number>() });
    const agent = defineAgent({
      name: "pushes",
      state: State,
      graph: () =>
        new StateGraph(State)
          .addNode("push", ({ list }) => {
            list.push(2);
            return { x: 1 };
          })
          .addEdge(START, "push")
          .addEdge("push", END),
    });
    const engine = new TestEngine();
    const run = await engine.create(agent, { list: [1] });
    expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({
      error: { name: "TypeError", message: expect.stringContaining("not extensible") as string },
    });
  });

  test("an object that a node changes in place - fails the run at the line that does it, not after a crash", async () => {
    const State = Annotation.Root({ cart: Annotation<{ total: number }>(), x: Annotation<number>() });
    const agent = defineAgent({
      name: "changes",
      state: State,
      graph: () =>
        new StateGraph(State)
          .addNode("set", () => ({ cart: { total: 1 } }))
          .addNode("change", ({ cart }) => {
            cart.total = 2;
            return { x: 1 };
          })
          .addEdge(START, "set")
          .addEdge("set", "change")
          .addEdge("change", END),
    });
    const engine = new TestEngine();
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({
      error: { name: "TypeError", message: expect.stringContaining("read only property 'total'") as string },
    });
  });

  test("a reducer that depends on chance - is found in fast-forward, before anything is called", async () => {
    const { called, ...tools } = notingTools();
    const State = Annotation.Root({
      x: Annotation<number>({ reducer: (_, b) => b + Math.random(), default: () => 0 }),
    });
    const agent = defineAgent({
      name: "dice",
      state: State,
      tools,
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("roll", () => ({ x: 1 }))
          .addNode("pays", async () => {
            await tools.pay({ id: "p" });
            return {};
          })
          .addEdge(START, "roll")
          .addEdge("roll", "pays")
          .addEdge("pays", END),
    });
    const engine = new TestEngine({ say: holdPay });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    await engine.runOn(compiled, run);
    await engine.decide(run, (await engine.held(run))[0], "approve");
    expect(await engine.runOn(compiled, run)).toBe("failed");
    expect(called).toEqual([]);
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({
      error: { code: "NON_DETERMINISM", message: expect.stringContaining("after superstep") as string },
    });
  });

  test("parallel nodes that write one channel - come in the same order in every attempt", async () => {
    const { called: _, ...tools } = notingTools();
    const State = Annotation.Root({
      log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
    });
    const names = ["z", "m", "a", "q"];
    const agent = defineAgent({
      name: "parallel",
      state: State,
      tools,
      graph: ({ tools }) => {
        const builder = new StateGraph(State) as unknown as {
          addNode: (name: string, body: (state: { log: string[] }) => unknown) => void;
          addEdge: (from: string | string[], to: string) => void;
        };
        for (const [i, name] of names.entries()) {
          builder.addNode(name, async () => {
            for (let n = i; n < 4; n++) await tools.read({ id: name });
            return { log: [name] };
          });
          builder.addEdge(START, name);
        }
        builder.addNode("pays", async ({ log }) => ({ log: [(await tools.pay({ id: log.join("") })).id] }));
        builder.addEdge(names, "pays");
        builder.addEdge("pays", END);
        return builder as never;
      },
    });
    const events = await parkAndFinish(agent, {});
    expect(projected(events)).toEqual(output(events));
    expect(output(events)["log"]).toEqual(["a", "m", "q", "z", "amqz"]);
  });

  test("a loop of 200 supersteps - fast-forwards to where it was", async () => {
    const { called, ...tools } = notingTools();
    const State = Annotation.Root({
      n: Annotation<number>(),
      log: Annotation<number[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
    });
    let bodies = 0;
    const agent = defineAgent({
      name: "loops",
      state: State,
      tools,
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("step", async ({ n }) => {
            bodies++;
            if (n === 100) await tools.pay({ id: "p" });
            else await tools.read({ id: String(n) });
            return { n: n + 1, log: [n] };
          })
          .addEdge(START, "step")
          .addConditionalEdges("step", ({ n }) => (n < 200 ? "step" : END), ["step", END]),
    });
    const events = await parkAndFinish(agent, { n: 0 });
    expect(output(events)).toEqual({ n: 200, log: Array.from({ length: 200 }, (_, n) => n) });
    expect(called).toHaveLength(200);
    expect(bodies).toBe(202);
    expect(projected(events)).toEqual(output(events));
  });
});

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
