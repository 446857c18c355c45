import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, type AnyAgent } from "signalbox";
import { deferred } from "../../runtime/core/deferred.ts";

const State = Annotation.Root({ input: Annotation<unknown>() });

/** An agent that asks another one in one branch, and throws in the other once it has asked. */
export function askAndThrow(asked: AnyAgent) {
  const sent = deferred<undefined>();
  return defineAgent({
    name: "asks",
    state: State,
    agents: { asked },
    graph: ({ agents }) =>
      new StateGraph(State)
        .addNode("ask", async () => {
          const answer = agents.asked.ask({});
          setImmediate(() => {
            sent.resolve(undefined);
          });
          await answer;
          return {};
        })
        .addNode("throw", async () => {
          await sent.promise;
          throw new Error("This branch fails.");
        })
        .addEdge(START, "ask")
        .addEdge(START, "throw")
        .addEdge("ask", END)
        .addEdge("throw", END),
  });
}
