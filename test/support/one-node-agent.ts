import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, type AnyAgent } from "signalbox";
import type { EventData, EventType, JournalEvent } from "../../runtime/core/events.ts";

export const OneNodeState = Annotation.Root({
  n: Annotation<number>(),
  text: Annotation<string>(),
  got: Annotation<unknown>(),
});
export type OneNodeValues = typeof OneNodeState.State;
export type AnyHandles = Parameters<AnyAgent["graph"]>[0];

/** An agent with one node, for tests of what a node can do. */
export function oneNodeAgent(
  name: string,
  body: (state: OneNodeValues, handles: AnyHandles) => Promise<Partial<OneNodeValues>>,
  options: Partial<Parameters<typeof defineAgent>[0]> = {},
): AnyAgent {
  return defineAgent({
    name,
    version: "1",
    state: OneNodeState,
    ...options,
    graph: (handles: AnyHandles) =>
      new StateGraph(OneNodeState)
        .addNode("only", (state) => body(state, handles))
        .addEdge(START, "only")
        .addEdge("only", END),
  });
}

export function dataOf<T extends EventType>(events: readonly JournalEvent[], type: T): EventData<T>[] {
  return events.flatMap((event) => (event.type === type ? [event.data as EventData<T>] : []));
}
