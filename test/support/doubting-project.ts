/** A project with one payment that never answers and cannot be looked up: each run of it ends in doubt. */
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool } from "signalbox";
import { z } from "zod";

const pay = defineTool({
  name: "bank.pay",
  effect: "irreversible",
  input: z.object({ id: z.string() }),
  output: z.object({ receipt: z.string() }),
  timeoutMs: 100,
  run: () => new Promise<never>(() => undefined),
});

const State = Annotation.Root({ id: Annotation<string>(), receipt: Annotation<string>() });

const doubts = defineAgent({
  name: "doubts",
  // The worker of a test and the command line have it from different compilers.
  version: "1",
  state: State,
  tools: { pay },
  graph: ({ tools }) =>
    new StateGraph(State)
      .addNode("pay", ({ id }) => tools.pay({ id }))
      .addEdge(START, "pay")
      .addEdge("pay", END),
});

export default defineConfig({ agents: [doubts], rules: [new URL("./permit-all.cedar", import.meta.url)] });
