import { AIMessage, HumanMessage, type BaseMessage } from "@langchain/core/messages";
import { Annotation, END, messagesStateReducer, Send, START, StateGraph } from "@langchain/langgraph";
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { AnyAgent } from "signalbox";
import { encode } from "../../../runtime/engine/codec.ts";
import { packState, unpackState } from "../../../runtime/engine/graph-state.ts";
import { TestEngine } from "../../support/engine.ts";
import type { World } from "../../support/langgraph/world.ts";
import { factsOf, ShapeRun, shapeAgent } from "../../support/shapes.ts";
import { EACH, NONE, shapeRun, snapshotsOf, type Shape } from "../../support/snapshot-runs.ts";

/** A shape that parks three times; what each node is given is noted. */
async function resumed(shape: Shape, input: unknown): Promise<ShapeRun> {
  const run = randomUUID();
  const [without, with_] = [shapeRun(shape, NONE, run), shapeRun(shape, EACH, run)];
  for (const one of [without, with_]) {
    await one.start(input);
    expect(await one.finish()).toBe("finished");
  }
  expect(snapshotsOf(await with_.events()).length).toBeGreaterThan(1);
  expect(with_.engine.trouble).toEqual([]);
  expect(factsOf(await with_.events())).toEqual(factsOf(await without.events()));
  expect(await with_.output()).toEqual(await without.output());
  return with_;
}

describe("state that comes back from a snapshot", () => {
  test("messages, dates, maps, sets and what waits to be sent - are what they were", async () => {
    const State = Annotation.Root({
      messages: Annotation<BaseMessage[]>({ reducer: messagesStateReducer, default: () => [] }),
      at: Annotation<Date>(),
      seen: Annotation<Map<string, Set<number>>>(),
      log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
    });
    await resumed(
      (world) =>
        new StateGraph(State)
          .addNode("first", () => ({
            messages: [new HumanMessage("Hello."), new AIMessage({ content: "Yes?", tool_calls: [] })],
            at: new Date(1_000),
            seen: new Map([["a", new Set([1, 2])]]),
          }))
          .addNode("each", async ({ id }: { id: string }) => ({ log: [await world.pay(id)] }))
          .addNode("last", async ({ messages, at, seen, log }) => {
            await world.pay("last");
            const known = [...(seen.get("a") ?? [])].join("+");
            return {
              log: [`${String(at.getTime())} ${known} ${String(log.length)}`],
              messages: [new AIMessage(messages.map(({ type, text }) => `${type}:${text}`).join())],
            };
          })
          .addEdge(START, "first")
          .addConditionalEdges("first", () => ["a", "b", "c"].map((id) => new Send("each", { id })), ["each"])
          .addEdge("each", "last")
          .addEdge("last", END),
      { messages: ["First."] },
    );
  });

  test("a join of branches, one of them longer, and a deferred node - run when they would have run", async () => {
    const State = Annotation.Root({
      log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
    });
    const pays = (world: World, id: string) => async () => ({ log: [await world.pay(id)] });
    await resumed(
      (world) =>
        new StateGraph(State)
          .addNode("a", pays(world, "a"))
          .addNode("b", pays(world, "b"))
          .addNode("b2", pays(world, "b2"))
          .addNode("join", ({ log }) => ({ log: [log.join("")] }))
          .addNode("late", ({ log }: typeof State.State) => ({ log: [`late ${String(log.length)}`] }), { defer: true })
          .addEdge(START, "a")
          .addEdge(START, "b")
          .addEdge("b", "b2")
          .addEdge(["a", "b2"], "join")
          .addEdge("a", "late")
          .addEdge("join", END),
      {},
    );
  });

  test("lists that a reducer changes in place - can be changed in place, and what nodes returned cannot", async () => {
    const State = Annotation.Root({
      log: Annotation<string[]>({
        reducer: (a, b) => {
          a.push(...b);
          return a;
        },
        default: () => [],
      }),
      given: Annotation<{ list: number[] }>(),
    });
    const frozen: boolean[] = [];
    await resumed(
      (world) =>
        new StateGraph(State)
          .addNode("a", async () => ({ log: [await world.pay("a")], given: { list: [1] } }))
          .addNode("b", async ({ given }) => {
            frozen.push(Object.isFrozen(given.list));
            return { log: [await world.pay("b")] };
          })
          .addNode("c", async ({ given }) => {
            frozen.push(Object.isFrozen(given.list));
            return { log: [await world.pay("c")] };
          })
          .addEdge(START, "a")
          .addEdge("a", "b")
          .addEdge("b", "c")
          .addEdge("c", END),
      {},
    );
    expect(new Set(frozen)).toEqual(new Set([true]));
  });

  test("a list that holds the same object twice - is told from another one in the same way", async () => {
    const State = Annotation.Root({
      // Turns the list before it appends: an append to a reader who sees that both are the same.
      turns: Annotation<object[]>({ reducer: (a, b) => [...a.toReversed(), ...b, ...b], default: () => [] }),
    });
    const note = (world: World, id: string) => async () => ({ turns: [{ id: await world.pay(id) }] });
    await resumed(
      (world) =>
        new StateGraph(State)
          .addNode("a", note(world, "a"))
          .addNode("b", note(world, "b"))
          .addNode("c", note(world, "c"))
          .addEdge(START, "a")
          .addEdge("a", "b")
          .addEdge("b", "c")
          .addEdge("c", END),
      {},
    );
  });

  test("any plain value - comes back equal, with the same parts shared and frozen", () => {
    const inner = Object.freeze({ n: 1 });
    const loose = { list: [inner, inner], date: new Date(5) };
    const back = unpackState(
      JSON.parse(JSON.stringify(packState({ a: loose, b: [inner], c: loose.date, d: null }))) as never,
    );
    expect(back).toEqual({ a: loose, b: [inner], c: loose.date, d: null });
    const { a, b, c } = back as { a: typeof loose; b: object[]; c: Date };
    expect(a.list[0]).toBe(a.list[1]);
    expect(a.list[0]).toBe(b[0]);
    expect(a.date).toBe(c);
    expect([a, a.list, a.list[0], b].map((part) => Object.isFrozen(part))).toEqual([false, false, true, false]);
  });

  test("an object that stands in a map and elsewhere - cannot be stored", () => {
    const one = { n: 1 };
    expect(() => packState({ a: new Map([["x", one]]), b: one })).toThrow("The same object");
    expect(packState({ a: new Map([["x", one]]) }).values).toEqual(encode({ a: new Map([["x", one]]) }));
  });
});

test("an agent with a channel that is not checkpointed - takes no snapshot", () => {
  const engine = new TestEngine();
  const State = Annotation.Root({ n: Annotation<number>() });
  const shape = (untracked: boolean): Shape => {
    return () => {
      const builder = new StateGraph(State)
        .addNode("a", () => ({ n: 1 }))
        .addEdge(START, "a")
        .addEdge("a", END);
      if (untracked) Object.assign(builder.channels["n"] ?? {}, { lc_graph_name: "UntrackedValue" });
      return builder;
    };
  };
  const shapeOf = (agent: AnyAgent): string | null => engine.compile(agent).shape;
  expect(shapeOf(shapeAgent(shape(false)))).not.toBeNull();
  expect(shapeOf(shapeAgent(shape(true)))).toBeNull();
});
