import { Annotation, Command, END, interrupt, MemorySaver, Send, START, StateGraph } from "@langchain/langgraph";
import { z } from "zod";
import type { World } from "./world.ts";

const State = Annotation.Root({
  log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
  name: Annotation<string>(),
});

/** Asks before it pays, and goes where the answer says. */
export function approval(world: World) {
  return new StateGraph(State)
    .addNode("drafts", async () => ({ log: [await world.look("draft")] }))
    .addNode(
      "asks",
      async ({ log }: typeof State.State) => {
        await world.put("before");
        const approved = interrupt<unknown, boolean>({ question: "Is this right?", draft: log });
        return new Command({ goto: approved ? "pays" : END, update: { log: [String(approved)] } });
      },
      { ends: ["pays", END] },
    )
    .addNode("pays", async () => ({ log: [await world.pay("p")] }))
    .addEdge(START, "drafts")
    .addEdge("drafts", "asks")
    .addEdge("pays", END)
    .compile({ checkpointer: new MemorySaver() });
}

/** Several questions of one node, one after the other, and once more where the answer is no answer. */
export function form(world: World) {
  return new StateGraph(State)
    .addNode("form", async () => {
      const name = interrupt<string, string>("What is your name?");
      const looked = await world.look(name);
      let age: unknown;
      for (let text = "How old are you?"; ; text = `"${String(age)}" is not an age. How old are you?`) {
        age = interrupt({ message: text });
        if (typeof age === "number") break;
      }
      const paid = await world.pay(`${looked} ${String(age)}`);
      return { name, log: [paid] };
    })
    .addEdge(START, "form")
    .addEdge("form", END)
    .compile();
}

/** Questions at once: of two nodes, of three `Send` branches, and of a graph inside a node. */
export function several(world: World) {
  const asks = new StateGraph(State)
    .addNode("looks", async () => ({ log: [await world.look("inner")] }))
    .addNode("asks", () => ({ log: [interrupt<string, string>("inner?")] }))
    .addNode("pays", async ({ log }) => ({ log: [await world.pay(log.join())] }))
    .addEdge(START, "looks")
    .addEdge("looks", "asks")
    .addEdge("asks", "pays")
    .addEdge("pays", END)
    .compile();
  return new StateGraph(State)
    .addNode("a", async () => {
      await world.put("a");
      return { log: [interrupt<string, string>("a?")] };
    })
    .addNode("b", async () => ({ log: [await world.put(interrupt<string, string>("b?"))] }))
    .addNode("inner", asks)
    .addNode("function", async () => ({ log: (await asks.invoke({ log: ["own"] })).log }))
    .addNode("sent", ({ name }) => ({ log: [interrupt<unknown, string>({ text: `${name}?` })] }))
    .addNode("end", ({ log }) => ({ log: [`${String(log.length)} lines`] }))
    .addEdge(START, "a")
    .addEdge(START, "b")
    .addEdge(START, "inner")
    .addEdge(START, "function")
    .addConditionalEdges(START, () => ["x", "y", "z"].map((name) => new Send("sent", { name })), ["sent"])
    .addEdge(["a", "b", "inner", "function"], "end")
    .addEdge("end", END);
}

/** Gives whatever it was answered. */
export function returns() {
  return new StateGraph(Annotation.Root({ given: Annotation<unknown>() }))
    .addNode("asks", () => ({ given: interrupt<null, unknown>(null) }))
    .addEdge(START, "asks");
}

/** An answer with a schema, asked through the node's runtime. */
export function typed() {
  return new StateGraph(State)
    .addNode("asks", () => {
      const { plan } = interrupt<unknown, { plan: string }>(
        { question: "Which plan?" },
        { responseSchema: z.object({ plan: z.enum(["small", "large"]) }) },
      );
      return { log: [plan] };
    })
    .addEdge(START, "asks")
    .addEdge("asks", END);
}

/** The trap that LangGraph's documentation warns of: what interrupt() throws is caught. */
export function caught(world: World, how: "returns" | "calls" | "throws" | "finally" | "allSettled") {
  return new StateGraph(State)
    .addNode("asks", async () => {
      if (how === "finally") {
        try {
          return { log: [interrupt<string, string>("really?")] };
        } finally {
          await world.pay("cleanup");
        }
      }
      if (how === "allSettled") {
        // eslint-disable-next-line @typescript-eslint/require-await -- it throws in a promise
        const asks = async (): Promise<string> => interrupt<string, string>("really?");
        const all = await Promise.allSettled([asks(), world.look("beside")]);
        return { log: all.map(({ status }) => status) };
      }
      try {
        return { log: [interrupt<string, string>("really?")] };
      } catch {
        if (how === "throws") throw new Error("something else");
        if (how === "calls") return { log: [await world.pay("fallback")] };
        return { log: ["fallback"] };
      }
    })
    .addEdge(START, "asks")
    .addEdge("asks", END);
}
