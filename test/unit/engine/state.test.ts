import { AIMessage, HumanMessage, type BaseMessage, type BaseMessageLike } from "@langchain/core/messages";
import {
  Annotation,
  Command,
  END,
  MessagesAnnotation,
  messagesStateReducer,
  START,
  StateGraph,
} from "@langchain/langgraph";
import { defineAgent } from "signalbox";
import { describe, expect, test } from "vitest";
import { TestEngine } from "../../support/engine.ts";
import { notingTools } from "../../support/one-node.ts";
import { holdPay, output, parkAndFinish, projected } from "../../support/park-and-finish.ts";

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

  test.each<[string, (update: Readonly<Record<string, unknown>>) => unknown]>([
    ["an update", (update) => update],
    ["an update with a $type of its own", (update) => ({ ...update, $type: "command" })],
    ["a command", (update) => new Command({ update })],
    ["a command whose update has a $type of its own", (update) => new Command({ update: { ...update, $type: "x" } })],
  ])("what %s writes - is recorded once, and the record alone gives the state", async (_what, wrapped) => {
    const { called: __, ...tools } = notingTools();
    const State = Annotation.Root({
      log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
      last: Annotation<{ text: string }>(),
    });
    const agent = defineAgent({
      name: "writes",
      state: State,
      tools,
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("writes", () => wrapped({ log: ["appended"], last: { text: "set" } }) as never)
          .addNode("pays", async () => ({ log: [(await tools.pay({ id: "p" })).id] }))
          .addEdge(START, "writes")
          .addEdge("writes", "pays")
          .addEdge("pays", END),
    });
    const events = await parkAndFinish(agent, {});
    expect(events.filter(({ data }) => JSON.stringify(data).includes("appended")).map(({ type }) => type)).toEqual([
      "node_finished",
      "run_finished",
    ]);
    expect(projected(events)).toEqual(output(events));
    expect(output(events)).toEqual({ log: ["appended", "p"], last: { text: "set" } });
  });

  test("a list for a reducer - is not frozen, and what the reducer makes of it is the state, in every attempt", async () => {
    const { called: __, ...tools } = notingTools();
    const frozen: boolean[] = [];
    const list = (reducer: (before: readonly number[], added: number[]) => number[]) =>
      Annotation<number[]>({ reducer, default: () => [] });
    const State = Annotation.Root({
      appended: list((before, added) => {
        frozen.push(Object.isFrozen(added));
        return before.concat(added);
      }),
      newest: list((_, added) => added),
      counted: list((before, added) => {
        added.push(before.length);
        return added;
      }),
    });
    const all = (n: number) => ({ appended: [n], newest: [n], counted: [n] });
    const agent = defineAgent({
      name: "reduces",
      state: State,
      tools,
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("first", () => all(1))
          .addNode("second", () => all(2))
          .addNode("pays", async ({ newest, counted }) => {
            expect([newest, counted].map((value) => Object.isFrozen(value))).toEqual([true, true]);
            await tools.pay({ id: "p" });
            return {};
          })
          .addEdge(START, "first")
          .addEdge("first", "second")
          .addEdge("second", "pays")
          .addEdge("pays", END),
    });
    const events = await parkAndFinish(agent, {});
    expect(new Set(frozen)).toEqual(new Set([false]));
    expect(output(events)).toEqual({ appended: [1, 2], newest: [2], counted: [2, 2] });
    expect(projected(events)).toEqual(output(events));
    expect(events.flatMap(({ type, data }) => (type === "superstep_finished" ? [data.changes] : [])).at(-2)).toEqual({
      appended: { op: "append_by", nodes: ["2/second"] },
      newest: { op: "set_by", node: "2/second" },
      counted: { op: "set", value: [2, 2] },
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
