/** A project whose tool leaves a promise unwatched that is rejected: for tests of what that does to a worker. */
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool } from "signalbox";
import { z } from "zod";

const leak = defineTool({
  name: "stray.leak",
  effect: "read",
  input: z.object({}),
  output: z.object({}),
  run: async () => {
    void Promise.reject(new Error("Nobody watches this promise."));
    // The rejection is reported at the end of a turn of the event loop: this call is still under way then.
    await new Promise((resolve) => setTimeout(resolve, 20));
    return {};
  },
});
const State = Annotation.Root({ done: Annotation<boolean>() });

export default defineConfig({
  agents: [
    defineAgent({
      name: "stray",
      state: State,
      tools: { leak },
      rules: new URL("./permit-all.cedar", import.meta.url),
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("leak", async () => {
            await tools.leak({});
            return { done: true };
          })
          .addEdge(START, "leak")
          .addEdge("leak", END),
    }),
  ],
});
