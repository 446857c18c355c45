import type { RunnableConfig } from "@langchain/core/runnables";
import { INSIDE_SIGN } from "../core/node-keys.ts";
import type { Attempt } from "./attempt.ts";
import { ChannelTracker } from "./channel-tracker.ts";
import type { GovernedGraph, Governor } from "./governor.ts";
import type { NodeExecution } from "./node-execution.ts";
import { comeToRest, silence } from "./node-executions.ts";

/** Where LangGraph's config carries the {@link GraphScope}. */
export const SCOPE = "signalbox_scope";

/** What all graphs of one attempt have in common: the run's own, and those inside its nodes. */
export class AttemptGraphs {
  readonly attempt: Attempt;
  readonly governor: Governor;
  /** What ended the attempt's graphs and must reach no code that could catch it. */
  #fatal: Error | null = null;
  readonly #told = new WeakSet<Error>();

  constructor(attempt: Attempt, governor: Governor) {
    this.attempt = attempt;
    this.governor = governor;
  }

  get fatal(): Error | null {
    return this.#fatal;
  }

  /** The first error counts: it has led to the others. */
  endWith(error: Error): void {
    this.#fatal ??= error;
  }

  /** Tells the worker what a node threw: once, however many nodes it passes on its way out. */
  tellFailure(node: string, error: Error): void {
    if (this.#told.has(error)) return;
    this.#told.add(error);
    this.attempt.failed(node, error);
  }
}

/** One graph while it runs in one attempt: the run's own, or one inside a node. */
export class GraphScope {
  readonly graphs: AttemptGraphs;
  readonly graph: GovernedGraph;
  /** What stands before the keys of its nodes: empty for the run's own graph. */
  readonly key: string;
  readonly channels: ChannelTracker;
  /** The newest state that the graph has told of. */
  lastState: unknown;
  /** The node that it runs in, or null for the run's own graph. */
  readonly #inside: NodeExecution | null;
  readonly #executions = new Set<NodeExecution>();

  constructor(
    graphs: AttemptGraphs,
    graph: GovernedGraph,
    place: { readonly key: string; readonly inside: NodeExecution | null; readonly input: unknown },
  ) {
    this.graphs = graphs;
    this.graph = graph;
    this.key = place.key;
    this.#inside = place.inside;
    this.channels = new ChannelTracker(graphs, { key: place.key, channels: graph.channels, input: place.input });
  }

  get attempt(): Attempt {
    return this.graphs.attempt;
  }

  /** True once nothing may begin in it any more: its node has failed, parked or ended, or the run's graphs have. */
  get stopped(): boolean {
    return this.graphs.fatal !== null || (this.#inside !== null && this.#inside.further !== "pass");
  }

  /** True if something in it waits for somebody or something else. */
  get waiting(): boolean {
    return [...this.#executions].some((execution) => execution.waiting);
  }

  begin(node: string): NodeExecution {
    const execution = this.attempt.begin(node);
    this.#executions.add(execution);
    return execution;
  }

  /** A node has its end in the journal. */
  finish(execution: NodeExecution): void {
    this.#executions.delete(execution);
    this.attempt.nodes.finish(execution);
  }

  /** What its nodes still ask for is not heard. */
  silence(): void {
    silence(this.#executions, this.attempt.nodes.missing !== null);
  }

  /** The graph has ended: lets everything that its nodes had asked for come back and be recorded. */
  async settle(): Promise<void> {
    this.silence();
    await comeToRest(this.#executions);
    this.channels.end();
  }

  /** The graph has failed: what still waits in it is nothing that the run waits for. */
  forget(): void {
    for (const execution of this.#executions) {
      execution.abandon();
      this.finish(execution);
    }
  }

  /**
   * The key of a node execution, the same in every attempt: the superstep, the node, and for `Send` its
   * place among the sent. Inside another node (a subgraph) the enclosing key comes first.
   */
  nodeKey(name: string, config: RunnableConfig): string {
    const step = String(config.metadata?.["langgraph_step"]);
    const enclosing = this.key === "" ? "" : this.key + INSIDE_SIGN;
    return `${enclosing}${step}/${name}${placeOf(config.metadata?.["langgraph_path"])}`;
  }
}

/** What tells apart the executions of one node in one superstep. */
function placeOf(path: unknown): string {
  if (!Array.isArray(path)) return "";
  // The handler of what a node threw has the path of that node, and a mark behind it.
  const handles = path.indexOf("node_error_handler");
  const parts = handles === -1 ? path : path.slice(0, handles);
  if (handles === -1 && parts[0] === "__pregel_pull") return "";
  return `/${parts.slice(1).map(String).join(".")}`;
}

export function scopeOf(config: RunnableConfig | undefined): GraphScope | undefined {
  return config?.configurable?.[SCOPE] as GraphScope | undefined;
}
