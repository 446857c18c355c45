import { Annotation, END, Send, START, StateGraph } from "@langchain/langgraph";
import type { World } from "./world.ts";

const State = Annotation.Root({
  log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
  topics: Annotation<string[]>(),
});
const Topic = Annotation.Root({ topic: Annotation<string>(), log: Annotation<string[]>() });

/** Branch functions that give a name of a path map, several nodes, and `Send`s; and a loop with a bound. */
export function routes(world: World) {
  return new StateGraph(State)
    .addNode("starts", async () => ({ log: [await world.look("start")] }))
    .addNode("left", async () => ({ log: [await world.put("left")] }))
    .addNode("right", async () => ({ log: [await world.pay("right")] }))
    .addNode("again", async ({ log }) => ({ log: [await world.put(`again ${String(log.length)}`)] }))
    .addEdge(START, "starts")
    .addConditionalEdges("starts", ({ log }: typeof State.State) => (log.length > 0 ? ["both", "one"] : "none"), {
      both: "left",
      one: "right",
      none: END,
    })
    .addEdge(["left", "right"], "again")
    .addConditionalEdges("again", ({ log }) => (log.length < 6 ? "again" : END));
}

/** Map and reduce, the branches of which are graphs themselves; the end waits for all of them. */
export function mapReduce(world: World) {
  const Written = Annotation.Root({ log: Annotation<string[]>() });
  const one = new StateGraph({ stateSchema: Topic, output: Written })
    .addNode("reads", async ({ topic }) => ({ log: [await world.look(topic)] }))
    .addNode("writes", async ({ topic, log }) => ({
      log: [...log, topic.endsWith("2") ? await world.pay(topic) : await world.put(topic)],
    }))
    .addEdge(START, "reads")
    .addEdge("reads", "writes")
    .addEdge("writes", END)
    .compile();
  return new StateGraph(State)
    .addNode("plans", () => ({ topics: Array.from({ length: 5 }, (_, i) => `t${String(i)}`) }))
    .addNode("one", one, { input: Topic })
    .addNode("reduce", ({ log }) => ({ log: [`${String(log.length)} in all`] }))
    .addEdge(START, "plans")
    .addConditionalEdges("plans", ({ topics }) => topics.map((topic) => new Send("one", { topic })), ["one"])
    .addEdge("one", "reduce")
    .addEdge("reduce", END);
}

/** Over 50 branches, some of which pay. */
export function manyBranches(world: World) {
  return new StateGraph(State)
    .addNode(
      "one",
      async ({ topic }: { topic: string }) => {
        const read = await world.look(topic);
        return { log: [Number(topic) % 13 === 5 ? await world.pay(read) : await world.put(read)] };
      },
      { input: Topic },
    )
    .addConditionalEdges(START, () => Array.from({ length: 60 }, (_, i) => new Send("one", { topic: String(i) })), [
      "one",
    ])
    .addEdge("one", END);
}

/** A node that waits until the longer of two ways has come to it as well, and a sequence. */
export function deferred(world: World) {
  return new StateGraph(State)
    .addNode("splits", () => ({ log: ["splits"] }))
    .addNode("short", async () => ({ log: [await world.put("short")] }))
    .addSequence([
      ["long-1", async () => ({ log: [await world.look("long-1")] })],
      ["long-2", async () => ({ log: [await world.pay("long-2")] })],
    ])
    .addNode("joins", ({ log }: typeof State.State) => ({ log: [`joins ${String(log.length)}`] }), { defer: true })
    .addEdge(START, "splits")
    .addEdge("splits", "short")
    .addEdge("splits", "long-1")
    .addEdge("short", "joins")
    .addEdge("long-2", "joins")
    .addEdge("joins", END);
}

/** What a node throws is handled by a node: one of its own, and one for all others. */
export function handled(world: World) {
  return new StateGraph(State)
    .setNodeDefaults({
      errorHandler: async (_state, error) => ({ log: [await world.put(`any: ${error.error.message}`)] }),
    })
    .addNode(
      "own",
      async () => {
        throw new Error(`${await world.look("own")} broke`);
      },
      { errorHandler: async (_state, error) => ({ log: [await world.pay(`${error.node}: ${error.error.message}`)] }) },
    )
    .addNode("first", async () => {
      throw new Error(`${await world.look("first")} broke`);
    })
    .addNode("second", async () => {
      throw new Error(`${await world.look("second")} broke`);
    })
    .addNode("end", ({ log }) => ({ log: [`${String(log.length)} handled`] }))
    .addEdge(START, "own")
    .addEdge(START, "first")
    .addEdge(START, "second")
    .addEdge(["own", "first", "second"], "end")
    .addEdge("end", END);
}
