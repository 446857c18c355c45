import { setMaxListeners } from "node:events";
import type { RunnableConfig } from "@langchain/core/runnables";

/**
 * LangGraph listens to one signal once for each node of a superstep, and to that of the graph around once for
 * each graph inside a node; Node takes more than ten for a leak.
 */
export function allowListeners(config: RunnableConfig): void {
  const around: unknown = config.configurable?.["__pregel_abort_signals"];
  const signals = [config.signal, ...Object.values((around ?? {}) as Record<string, unknown>)];
  for (const signal of signals) if (signal instanceof AbortSignal) setMaxListeners(0, signal);
}
