import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool, type SignalboxConfig } from "signalbox";
import { z } from "zod";

/** A project whose tool ends the whole process when it is called with "poison", unless it is mended. */
export function crashingProject(options: {
  readonly rules: URL;
  readonly mended: boolean;
  /** The call for anything else never comes back. */
  readonly holds?: boolean;
  readonly onCall?: (id: string) => void;
}): SignalboxConfig {
  const { rules, mended, holds = false, onCall } = options;
  const input = z.object({ id: z.string() });
  const work = defineTool({
    name: "work",
    effect: "idempotent",
    input,
    output: input,
    run: async (one) => {
      onCall?.(one.id);
      if (one.id === "poison" && !mended) process.kill(process.pid, "SIGKILL");
      if (holds) await new Promise(() => undefined);
      return one;
    },
  });
  const State = Annotation.Root({ id: Annotation<string>() });
  const agent = defineAgent({
    name: "crashes",
    version: "1",
    state: State,
    tools: { work },
    graph: ({ tools }) =>
      new StateGraph(State)
        .addNode("work", ({ id }) => tools.work({ id }))
        .addEdge(START, "work")
        .addEdge("work", END),
  });
  return defineConfig({ agents: [agent], rules: [rules] });
}
