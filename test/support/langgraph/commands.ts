import { Annotation, Command, Send, START, StateGraph } from "@langchain/langgraph";
import type { World } from "./world.ts";

const State = Annotation.Root({
  log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
  active: Annotation<string>(),
});

/** Nodes that say themselves who comes next, and may say several, some of them with an input of their own. */
export function handoff(world: World) {
  return new StateGraph(State)
    .addNode(
      "triage",
      async () => {
        const kind = await world.look("kind");
        return new Command({ update: { log: [kind], active: "billing" }, goto: "billing" });
      },
      { ends: ["billing", "support"] },
    )
    .addNode(
      "billing",
      async ({ active }: typeof State.State) => {
        const paid = await world.pay(active);
        return new Command({
          update: { log: [paid] },
          goto: ["support", new Send("letter", { log: ["to ada"] }), new Send("letter", { log: ["to bob"] })],
        });
      },
      { ends: ["support", "letter"] },
    )
    .addNode("support", async () => ({ log: [await world.put("support")] }))
    .addNode("letter", async ({ log }) => ({ log: [await world.pay(`letter ${log.join()}`)] }))
    .addEdge(START, "triage")
    .compile();
}

/** Teams of agents: a member hands over to another team by a command to the graph around its own. */
export function teams(world: World) {
  const asks = new StateGraph(State)
    .addNode("greets", async () => ({ log: [await world.look("hello")] }))
    .addNode(
      "hands-over",
      async ({ log }: typeof State.State) => {
        const noted = await world.put(`case of ${log.join()}`);
        return new Command({
          graph: Command.PARENT,
          update: { log: [noted], active: "payers" },
          goto: "payers",
        });
      },
      { ends: [] },
    )
    .addEdge(START, "greets")
    .addEdge("greets", "hands-over")
    .compile();
  const pays = new StateGraph(State)
    .addNode("pays", async ({ log }) => ({ log: [await world.pay(`p${String(log.length)}`)] }))
    .addNode("thanks", () => new Command({ graph: Command.PARENT, goto: [new Send("closing", { log: ["both"] })] }))
    .addEdge(START, "pays")
    .addEdge("pays", "thanks")
    .compile();
  return new StateGraph(State)
    .addNode("askers", asks, { ends: ["payers"] })
    .addNode("payers", async (state, config) => pays.invoke(state, config), { ends: ["closing"] })
    .addNode("closing", async ({ log }) => ({ log: [await world.put(`closed ${log.join()}`)] }))
    .addEdge(START, "askers")
    .compile();
}

/** A command out of the third graph to the second. */
export function deepHandoff(world: World) {
  const third = new StateGraph(State)
    .addNode("decides", async () => {
      const way = await world.look("way");
      return new Command({ graph: Command.PARENT, goto: "other", update: { log: [way] } });
    })
    .addEdge(START, "decides")
    .compile();
  const second = new StateGraph(State)
    .addNode("third", third, { ends: ["other"] })
    .addNode("other", async () => ({ log: [await world.pay("other")] }))
    .addEdge(START, "third")
    .compile();
  return new StateGraph(State)
    .addNode("second", async () => ({ log: (await second.invoke({ log: [] })).log }))
    .addNode("end", ({ log }) => ({ log: [String(log.length)] }))
    .addEdge(START, "second")
    .addEdge("second", "end")
    .compile();
}
