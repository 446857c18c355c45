import type { Runnable, RunnableConfig } from "@langchain/core/runnables";
import type { NodeRetryPolicy, NodeTimeoutPolicy } from "./node-policy.ts";

/** What of LangGraph's builder is used; its own types carry fourteen generics that say nothing here. */
export interface Builder {
  readonly nodes: Record<string, NodeSpec>;
  readonly branches: Record<string, Record<string, Branch>>;
  readonly channels: Record<string, unknown>;
  readonly allEdges: Iterable<readonly [unknown, unknown]>;
  /** What LangGraph's `setNodeDefaults` was given. */
  readonly _nodeDefaults?: NodeOptions & { readonly errorHandler?: unknown };
  /** The node that handles what any other node throws, where `setNodeDefaults` named one. */
  _createDefaultErrorHandlerSpec?(): NodeSpec | undefined;
  compile(options: CompileOptions): Pregel;
}

export interface Branch {
  readonly path: Runnable;
}

export interface NodeOptions {
  readonly retryPolicy?: NodeRetryPolicy | undefined;
  readonly cachePolicy?: unknown;
  readonly timeout?: number | (NodeTimeoutPolicy & { readonly refreshOn?: string }) | undefined;
}

export interface NodeSpec extends NodeOptions {
  readonly runnable: Runnable;
}

interface CompileOptions {
  readonly checkpointer: unknown;
  readonly name: string | undefined;
  readonly description?: string | undefined;
}

export type StreamOptions = RunnableConfig & {
  readonly durability?: "sync";
  readonly store?: unknown;
  readonly interruptBefore?: unknown;
  readonly interruptAfter?: unknown;
  readonly outputKeys?: unknown;
  readonly streamMode?: "values";
};

/** What every run of a compiled graph comes down to, `invoke` as well as `stream`. */
export type StreamIterator = (this: Pregel, input: unknown, options?: StreamOptions) => AsyncGenerator;

/** A compiled graph. */
export interface Pregel {
  readonly lg_is_pregel: true;
  readonly builder?: Builder;
  readonly nodes: Readonly<Record<string, object>>;
  readonly channels: Readonly<Record<string, object>>;
  readonly outputChannels: unknown;
  readonly name?: string;
  readonly description?: string;
  readonly store?: unknown;
  readonly interruptBefore?: unknown;
  readonly interruptAfter?: unknown;
  readonly stepTimeout?: unknown;
  readonly retryPolicy?: unknown;
  /** Is true for a subgraph that remembers what it was at its last call. */
  readonly checkpointer?: unknown;
  /** What was bound with `withConfig`. */
  config?: RunnableConfig;
  streamTransformers?: unknown;
  _streamIterator: StreamIterator;
}

export function isPregel(value: unknown): value is Pregel {
  return typeof value === "object" && value !== null && "lg_is_pregel" in value && value.lg_is_pregel === true;
}

export function isBuilder(value: unknown): value is Builder {
  return (
    typeof value === "object" &&
    value !== null &&
    "compile" in value &&
    typeof value.compile === "function" &&
    "nodes" in value &&
    "channels" in value &&
    typeof value.nodes === "object"
  );
}

/** A copy of an object of any class, with some of its properties changed: the original is left as it is for others. */
export function changed<T extends object>(original: T, changes: Partial<Record<keyof T, unknown>>): T {
  const copy = Object.create(Object.getPrototypeOf(original) as object) as T;
  return Object.assign(copy, original, changes);
}
