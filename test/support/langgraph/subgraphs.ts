import { Annotation, END, MemorySaver, START, StateGraph } from "@langchain/langgraph";
import type { World } from "./world.ts";

export const Log = Annotation.Root({
  log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
});

/** Reads, pays, and sums up; compiled, as a library would export it. */
export function accounting(world: World) {
  return new StateGraph(Log)
    .addNode("reads", async ({ log }) => ({ log: [await world.look(`r${String(log.length)}`)] }))
    .addNode("pays", async () => ({ log: [await world.pay("p")] }))
    .addNode("sums", ({ log }) => ({ log: [`${String(log.length)} lines`] }))
    .addEdge(START, "reads")
    .addEdge("reads", "pays")
    .addEdge("pays", "sums")
    .addEdge("sums", END)
    .compile();
}

/** A compiled graph as a node of another: both have the channel `log`. */
export function sharedState(world: World) {
  return new StateGraph(Log)
    .addNode("before", async () => ({ log: [await world.put("before")] }))
    .addNode("accounting", accounting(world))
    .addNode("after", async () => ({ log: [await world.put("after")] }))
    .addEdge(START, "before")
    .addEdge("before", "accounting")
    .addEdge("accounting", "after")
    .addEdge("after", END)
    .compile({ checkpointer: new MemorySaver() });
}

const Own = Annotation.Root({ question: Annotation<string>(), notes: Annotation<string[]>() });

/** A graph with a state of its own. */
function research(world: World) {
  return new StateGraph(Own)
    .addNode("find", async ({ question }) => ({ notes: [await world.look(question)] }))
    .addNode("check", async ({ notes }) => ({ notes: [...notes, await world.pay(`check-${notes.join()}`)] }))
    .addEdge(START, "find")
    .addEdge("find", "check")
    .addEdge("check", END)
    .compile();
}

/** Graphs that only a node's function knows of: one after the other, in a loop, and several at once. */
export function ownState(world: World) {
  const inner = research(world);
  return new StateGraph(Log)
    .addNode("one", async () => {
      const { notes } = await inner.invoke({ question: "one" });
      return { log: notes };
    })
    .addNode("loop", async () => {
      const log: string[] = [];
      for (const question of ["a", "b", "a"]) log.push(...(await inner.invoke({ question })).notes);
      return { log };
    })
    .addNode("together", async () => {
      const all = await Promise.all([
        world.put("beside"),
        ...["x", "y", "x"].map(async (question) => (await inner.invoke({ question })).notes.join("+")),
      ]);
      return { log: all };
    })
    .addEdge(START, "one")
    .addEdge("one", "loop")
    .addEdge("loop", "together")
    .addEdge("together", END);
}

/** Three deep, alternately as a node and inside a function. */
export function threeDeep(world: World) {
  const third = accounting(world);
  const second = new StateGraph(Log)
    .addNode("third", async ({ log }) => ({ log: (await third.invoke({ log: [`${String(log.length)} above`] })).log }))
    .addNode("beside", async () => ({ log: [await world.put("beside third")] }))
    .addEdge(START, "third")
    .addEdge(START, "beside")
    .addNode("joins", ({ log }) => ({ log: [`joins ${String(log.length)}`] }))
    .addEdge(["third", "beside"], "joins")
    .addEdge("joins", END)
    .compile();
  const first = new StateGraph(Log)
    .addNode("second", second)
    .addNode("last", async ({ log }) => ({ log: [await world.put(`last ${String(log.length)}`)] }))
    .addConditionalEdges("second", ({ log }) => (log.length > 20 ? END : "last"), { last: "last", [END]: END })
    .addEdge(START, "second")
    .addEdge("last", END)
    .compile();
  return new StateGraph(Log)
    .addNode("first", first)
    .addNode("end", () => ({ log: ["end"] }))
    .addEdge(START, "first")
    .addEdge("first", "end")
    .addEdge("end", END)
    .compile();
}

/** A node that makes good for what a graph in it throws. */
export function catches(world: World) {
  const Risky = Annotation.Root({ n: Annotation<number>(), done: Annotation<string>() });
  const risky = new StateGraph(Risky)
    .addNode("tries", async ({ n }) => {
      const looked = await world.look(`try${String(n)}`);
      if (n < 2) throw new Error(`${looked} failed`);
      return { done: looked };
    })
    .addNode("beside", async ({ n }) => ({ n: n + Number((await world.put(`beside${String(n)}`)).length > 0) }))
    .addEdge(START, "tries")
    .addEdge(START, "beside")
    .addEdge("tries", END)
    .compile();
  return new StateGraph(Log)
    .addNode("again", async () => {
      const log: string[] = [];
      for (let n = 0; n < 3; n++) {
        try {
          log.push((await risky.invoke({ n })).done);
        } catch (error) {
          log.push((error as Error).message);
        }
      }
      return { log };
    })
    .addNode("pays", async () => ({ log: [await world.pay("at last")] }))
    .addEdge(START, "again")
    .addEdge("again", "pays")
    .addEdge("pays", END);
}
