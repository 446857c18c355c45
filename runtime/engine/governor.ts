import type { Agent } from "../../agents/define-agent.ts";
import { UnsupportedGraphError } from "./errors.ts";
import { GovernedNode, GovernedRoute } from "./governed.ts";
import { changed, isPregel, type Builder, type NodeOptions, type NodeSpec, type Pregel } from "./graph-shape.ts";
import { leanGraph } from "./lean-graph.ts";
import { leanLoop } from "./lean-loop.ts";
import { isMessageChannel } from "./message-ids.ts";
import type { NodePolicy } from "./node-policy.ts";
import { snapshotShape } from "./snapshot-shape.ts";
import { SuperstepSaver } from "./superstep-saver.ts";
import { thawForReducers } from "./thawed-reducers.ts";

/** What LangGraph would do around a node without telling anybody, and what to do instead. */
const UNGOVERNED = {
  cachePolicy: "Remove it: what a node called is recorded and not called again.",
} as const;

/** What a compiled graph may carry that the journal would not know of. Its checkpointer is not among it: the journal takes its place. */
const UNGOVERNED_GRAPH = {
  store: "What a node reads there and writes there would not be recorded. Use the agent's memory, or a tool.",
  interruptBefore:
    "Nobody could be asked what is to be answered. Call interrupt() in the node, or let a rule hold its call.",
  interruptAfter:
    "Nobody could be asked what is to be answered. Call interrupt() in the node, or let a rule hold its call.",
  stepTimeout: "It would cut off calls that are under way. Give the tools a timeoutMs.",
  retryPolicy: "Give it to the nodes.",
} as const;

/** A graph with all its nodes and branch functions wrapped, compiled. */
export interface GovernedGraph {
  readonly compiled: Pregel;
  /** The names of its channels that are state. */
  readonly channels: ReadonlySet<string>;
  /** Those of them that LangGraph's message reducer keeps. */
  readonly messageChannels: ReadonlySet<string>;
  /** See {@link snapshotShape}. */
  readonly shape: string | null;
}

/**
 * Makes governed copies of an agent's graphs: of its own, and of those that its nodes run. The originals
 * stay as they are, for whoever else uses them.
 */
export class Governor {
  readonly agent: Agent;
  readonly #saver = new SuperstepSaver();
  readonly #copies = new WeakMap<Pregel, GovernedGraph>();

  constructor(agent: Agent) {
    this.agent = agent;
  }

  /** @throws {@link UnsupportedGraphError} for what Signalbox does not govern. */
  govern(graph: Builder | Pregel): GovernedGraph {
    if (!isPregel(graph)) return this.#copy(graph, this.agent.name);
    const known = this.#copies.get(graph);
    if (known) return known;
    const { builder } = graph;
    const name = typeof graph.name === "string" ? graph.name : "LangGraph";
    if (!builder || typeof builder.channels !== "object") {
      throw this.#unsupported(
        `The graph ${name} of ${this.agent.name} was not made by a StateGraph, and this release governs no others: no entrypoint(), no RemoteGraph. Make it a StateGraph, or reach it through a tool.`,
        { graph: name },
      );
    }
    for (const [option, instead] of Object.entries(UNGOVERNED_GRAPH)) {
      const given = graph[option as keyof typeof UNGOVERNED_GRAPH];
      if (given === undefined || given === null || (Array.isArray(given) && given.length === 0)) continue;
      throw this.#unsupported(
        `The graph ${name} of ${this.agent.name} was compiled with ${option}, which this release does not govern. ${instead}`,
        { graph: name, option },
      );
    }
    if (graph.checkpointer === true) {
      throw this.#unsupported(
        `The graph ${name} of ${this.agent.name} was compiled with checkpointer: true, to remember its state from call to call, which this release does not govern. Hand the state in and out, or keep it in the state of the graph around it.`,
        { graph: name, option: "checkpointer" },
      );
    }
    const governed = this.#copy(builder, name, graph);
    this.#copies.set(graph, governed);
    return governed;
  }

  #copy(builder: Builder, name: string, original?: Pregel): GovernedGraph {
    const channels = Object.keys(builder.channels);
    for (const channel of channels) {
      if ((builder.channels[channel] as { lc_graph_name?: unknown }).lc_graph_name !== "DeltaChannel") continue;
      throw this.#unsupported(
        `The channel ${channel} of ${this.agent.name} is a DeltaChannel, whose content this release cannot record. Use an annotation with a reducer.`,
        { channel },
      );
    }
    const messageChannels = new Set(channels.filter((channel) => isMessageChannel(builder.channels[channel])));
    const node = (key: string, spec: NodeSpec): NodeSpec => {
      this.#assertGoverned(key, spec);
      // What cannot be governed is found when the worker starts, not when the node runs.
      if (isPregel(spec.runnable)) this.govern(spec.runnable);
      const policy = this.#policyOf(key, { ...builder._nodeDefaults, ...defined(spec) });
      const runnable = new GovernedNode(key, spec.runnable, messageChannels, policy);
      // Taken over: LangGraph itself would repeat and cut off what is in no record.
      return changed(spec, { runnable, retryPolicy: undefined, timeout: undefined });
    };
    this.#assertGoverned("setNodeDefaults", builder._nodeDefaults ?? {});
    const nodes = Object.fromEntries(Object.entries(builder.nodes).map(([key, spec]) => [key, node(key, spec)]));
    const branches = Object.fromEntries(
      Object.entries(builder.branches).map(([source, of]) => [
        source,
        Object.fromEntries(
          Object.entries(of).map(([key, branch]) => [
            key,
            changed(branch, { path: new GovernedRoute(source, key, branch.path) }),
          ]),
        ),
      ]),
    );
    const handler = (): NodeSpec | undefined => {
      const spec = builder._createDefaultErrorHandlerSpec?.();
      return spec && node(DEFAULT_ERROR_HANDLER, spec);
    };
    const _nodeDefaults = builder._nodeDefaults && {
      ...builder._nodeDefaults,
      retryPolicy: undefined,
      timeout: undefined,
    };
    const copy = changed(builder, { nodes, branches, _nodeDefaults, _createDefaultErrorHandlerSpec: handler });
    const compiled = copy.compile({ checkpointer: this.#saver, name, description: original?.description });
    if (original) {
      if (original.config) compiled.config = original.config;
      compiled.streamTransformers = original.streamTransformers;
    }
    const shape = snapshotShape(compiled, new Set(channels));
    thawForReducers(compiled);
    leanGraph(compiled);
    leanLoop(compiled);
    return { compiled, channels: new Set(channels), messageChannels, shape };
  }

  #policyOf(node: string, { retryPolicy, timeout }: NodeOptions): NodePolicy {
    const limits = typeof timeout === "number" ? { runTimeout: timeout } : timeout;
    if (limits?.refreshOn === "heartbeat") {
      throw this.#unsupported(
        `The node ${node} of ${this.agent.name} has a timeout that only heartbeats put off, which this release does not govern. Leave refreshOn out: a node is idle while none of its calls is under way.`,
        { node, option: "timeout" },
      );
    }
    return { retry: retryPolicy, timeout: limits };
  }

  #assertGoverned(node: string, options: NodeOptions): void {
    for (const [option, instead] of Object.entries(UNGOVERNED)) {
      const given = options[option as keyof typeof UNGOVERNED];
      // A node says `cachePolicy: false` to have none where there is a default.
      if (given === undefined || given === false) continue;
      throw this.#unsupported(
        `The node ${node} of ${this.agent.name} has a ${option}, which this release does not govern. ${instead}`,
        { node, option },
      );
    }
  }

  #unsupported(message: string, details: Readonly<Record<string, string>>): UnsupportedGraphError {
    return new UnsupportedGraphError(message, { details: { agent: this.agent.name, ...details } });
  }
}

function defined(options: NodeOptions): NodeOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

const DEFAULT_ERROR_HANDLER = "__default_error_handler__";
