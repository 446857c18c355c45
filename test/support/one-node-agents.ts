import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, type AnyAgent } from "signalbox";
import type { EventData, EventType, JournalEvent } from "../../runtime/core/events.ts";

export const State = Annotation.Root({ n: Annotation<number>(), got: Annotation<unknown>() });
export type Values = typeof State.State;
type Handles = Parameters<AnyAgent["graph"]>[0];

/** An agent with one node, of a version that stays. */
export function agentWith(
  name: string,
  body: (state: Values, handles: Handles) => Promise<Partial<Values>>,
  options: Partial<Parameters<typeof defineAgent>[0]> = {},
): AnyAgent {
  return defineAgent({
    name,
    version: "1",
    state: State,
    ...options,
    graph: (handles: Handles) =>
      new StateGraph(State)
        .addNode("only", (state) => body(state, handles))
        .addEdge(START, "only")
        .addEdge("only", END),
  });
}

export function dataOf<T extends EventType>(events: readonly JournalEvent[], type: T): EventData<T>[] {
  return events.flatMap((event) => (event.type === type ? [event.data as EventData<T>] : []));
}
