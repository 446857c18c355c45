import type { Proposal } from "../core/events.ts";
import type { JsonValue } from "../core/json.ts";
import type { Attempt } from "./attempt.ts";
import type { OpenCallTool } from "./investigate.ts";

/** An agent that is ready to run: see `compile-agent.ts`. */
export interface Runnable {
  /** Runs the graph; resolves with the run's encoded output, or with undefined where it was interrupted. */
  invoke(input: unknown, attempt: Attempt): Promise<JsonValue | undefined>;
  /** What a snapshot of the graph's state depends on; null where its state cannot be stored so that it comes back the same. */
  readonly shape: string | null;
  /** What is needed to find out what became of a call that the graph made; undefined if the tool is gone. */
  openCallTool(proposal: Proposal): OpenCallTool | undefined;
}
