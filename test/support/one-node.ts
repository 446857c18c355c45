import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineTool, type AnyAgent, type AnyTool, type Handles } from "signalbox";
import { z } from "zod";
import type { JournalEvent } from "../../runtime/core/events.ts";

const State = Annotation.Root({ input: Annotation<unknown>(), output: Annotation<unknown>() });

type Tools = Readonly<Record<string, AnyTool>>;

/** An agent with one node: what the node returns is the run's `output`. */
export function oneNode<T extends Tools>(
  tools: T,
  body: (handles: Handles<T, Record<string, AnyAgent>>, input: unknown) => unknown,
  name = "one-node",
) {
  return defineAgent({
    name,
    state: State,
    tools,
    graph: (handles) =>
      new StateGraph(State)
        .addNode("node", async ({ input }) => ({ output: await body(handles, input) }))
        .addEdge(START, "node")
        .addEdge("node", END),
  });
}

/** What a run of such an agent has ended with. */
export function output(events: readonly JournalEvent[]): unknown {
  const last = events.at(-1);
  if (last?.type !== "run_finished") throw new Error(JSON.stringify(last?.data));
  return (last.data.output as { output: unknown }).output;
}

/** Tools that note what was called. Each takes an `id` and gives it back. */
export function notingTools(called: string[] = []) {
  const input = z.object({ id: z.string() });
  const run = ({ id }: { id: string }): { id: string } => {
    called.push(id);
    return { id };
  };
  return {
    called,
    read: defineTool({ name: "read", effect: "read", input, output: input, run }),
    put: defineTool({ name: "put", effect: "idempotent", input, output: input, run }),
    pay: defineTool({ name: "pay", effect: "irreversible", input, output: input, run }),
    pay2: defineTool({ name: "pay2", effect: "irreversible", input, output: input, run }),
  };
}
