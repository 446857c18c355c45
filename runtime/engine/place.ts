import { AsyncLocalStorage } from "node:async_hooks";
import type { RunnableConfig } from "@langchain/core/runnables";
import { EffectOutsideNodeError } from "./errors.ts";
import type { AttemptGraphs } from "./graph-scope.ts";
import type { NodeExecution } from "./node-execution.ts";

/** Where the code that runs now stands: inside a node execution, or where calls are refused. */
export type Place =
  | {
      readonly kind: "node";
      readonly execution: NodeExecution;
      /** What the node consists of: a graph that was added as a node is known by it. */
      readonly body: unknown;
      readonly graphs: AttemptGraphs;
      /** What LangGraph runs the node with. */
      readonly config: RunnableConfig;
    }
  | { readonly kind: "route"; readonly route: string };

export const currentPlace = new AsyncLocalStorage<Place | undefined>();

/** The node execution whose code is running. @throws {@link EffectOutsideNodeError} if there is none. */
export function currentExecution(action: string): NodeExecution {
  const place = currentPlace.getStore();
  if (place?.kind === "node") return place.execution;
  throw new EffectOutsideNodeError(
    place
      ? `${action} was called in the branch function ${place.route}. A branch function may only look at the state: make the call in a node and decide by what it recorded.`
      : `${action} was called outside a node. Calls go through the handles inside a running node, so that they are judged and recorded.`,
    { details: { action } },
  );
}
