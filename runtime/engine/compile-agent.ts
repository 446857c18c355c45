import type { Runnable, RunnableConfig } from "@langchain/core/runnables";
import type { Agent } from "../../agents/define-agent.ts";
import { canonicalJson, sha256 } from "../core/canonical.ts";
import type { JsonValue } from "../core/json.ts";
import type { Runnable as RunnableAgent } from "./attempt.ts";
import { encode } from "./codec.ts";
import { InvalidOutputError, UnsupportedGraphError } from "./errors.ts";
import { ATTEMPT, GovernedNode, GovernedRoute } from "./governed.ts";
import { buildHandles, type HandleServices } from "./handles.ts";
import { isMessageChannel, withMessageIds } from "./message-ids.ts";
import { currentPlace } from "./node-execution.ts";
import { SuperstepSaver } from "./superstep-saver.ts";
import { openCallTool } from "./tool-call.ts";

/** What of LangGraph's builder is used; its own types carry fourteen generics that say nothing here. */
interface Builder {
  readonly nodes: Record<string, NodeSpec>;
  readonly branches: Record<string, Record<string, { path: Runnable }>>;
  readonly channels: Record<string, unknown>;
  readonly allEdges: Iterable<readonly [unknown, unknown]>;
  /** What LangGraph's `setNodeDefaults` was given. */
  readonly _nodeDefaults?: NodeOptions & { errorHandler?: unknown };
  compile(options: { checkpointer: SuperstepSaver; name: string }): {
    invoke(input: unknown, config: RunnableConfig & { durability: "sync" }): Promise<unknown>;
  };
}

interface NodeOptions {
  retryPolicy?: unknown;
  cachePolicy?: unknown;
  timeout?: unknown;
  errorHandlerNode?: unknown;
}

interface NodeSpec extends NodeOptions {
  runnable: Runnable;
}

/** What LangGraph would do around a node without telling anybody, and what to do instead. */
const UNGOVERNED = {
  retryPolicy: "Remove it: a crash repeats what is safe to repeat by itself.",
  cachePolicy: "Remove it: what a node called is recorded and not called again.",
  timeout: "Remove it, and give the tools a timeoutMs.",
  errorHandlerNode: "Remove the errorHandler, and catch in the node what you can go on from.",
} as const;

/** An agent whose graph is governed and compiled: once per process, for all its runs. */
export interface CompiledAgent extends RunnableAgent {
  readonly agent: Agent;
  /** SHA-256 over the graph's shape, its tools' and its own schemas, and its source. */
  readonly version: string;
}

/**
 * Builds an agent's graph around its handles, wraps every node and branch function, and compiles it.
 *
 * @throws {@link UnsupportedGraphError} for what Signalbox does not govern yet.
 */
export function compileAgent(agent: Agent, services: HandleServices): CompiledAgent {
  const builder = agent.graph(buildHandles(agent, services)) as unknown as Builder;
  if (typeof builder.compile !== "function" || typeof builder.nodes !== "object") {
    throw new UnsupportedGraphError(
      `The graph of ${agent.name} is not a StateGraph builder. Return new StateGraph(...) with its nodes and edges, and do not compile it.`,
      { details: { agent: agent.name } },
    );
  }
  const version = agent.version ?? versionOf(agent, builder);
  const channels = Object.keys(builder.channels);
  for (const channel of channels) {
    if ((builder.channels[channel] as { lc_graph_name?: unknown }).lc_graph_name !== "DeltaChannel") continue;
    throw new UnsupportedGraphError(
      `The channel ${channel} of ${agent.name} is a DeltaChannel, whose content this release cannot record. Use an annotation with a reducer.`,
      { details: { agent: agent.name, channel } },
    );
  }
  const messageChannels = new Set(channels.filter((channel) => isMessageChannel(builder.channels[channel])));
  const saver = new SuperstepSaver(channels);
  const { errorHandler: errorHandlerNode, ...defaults } = builder._nodeDefaults ?? {};
  assertGoverned(agent.name, "setNodeDefaults", { ...defaults, errorHandlerNode });
  for (const [name, spec] of Object.entries(builder.nodes)) {
    assertGoverned(agent.name, name, spec);
    spec.runnable = new GovernedNode(name, spec.runnable, saver, messageChannels);
  }
  for (const [source, branches] of Object.entries(builder.branches)) {
    for (const [name, branch] of Object.entries(branches))
      branch.path = new GovernedRoute(source, name, branch.path) as typeof branch.path;
  }
  const compiled = builder.compile({ checkpointer: saver, name: agent.name });
  return {
    agent,
    version,
    openCallTool: ({ name, input }) => openCallTool(agent, name, input),
    async invoke(input, attempt) {
      const thread = saver.begin(attempt);
      // An aborted attempt does not wait for LangGraph to come back.
      attempt.aborted.catch(() => {
        saver.end(thread);
      });
      try {
        const given = withMessageIds(input, messageChannels, [attempt.head.run, "input"]);
        // Whatever led here may itself have been code in a node; this run's nodes are inside none.
        const state = await currentPlace.run(undefined, () =>
          compiled.invoke(given, {
            configurable: { thread_id: thread, [ATTEMPT]: attempt },
            recursionLimit: attempt.limits.maxSupersteps,
            durability: "sync",
          }),
        );
        return attempt.waiting ? undefined : outputOf(agent, state);
      } catch (error) {
        // Several nodes of one superstep failed: the first is the one that stopped the others.
        throw error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
      } finally {
        saver.end(thread);
      }
    },
  };
}

function outputOf(agent: Agent, state: unknown): JsonValue {
  if (!agent.output) return encode(state);
  const parsed = agent.output.safeParse(state);
  if (parsed.success) return encode(parsed.data);
  const [issue] = parsed.error.issues;
  throw new InvalidOutputError(
    `The final state of ${agent.name} does not fit its output schema at ${issue?.path.join(".") ?? "the top"}: ${issue?.message ?? ""}. Let a node set it, or change the schema.`,
    { details: { agent: agent.name } },
  );
}

function assertGoverned(agent: string, node: string, options: NodeOptions): void {
  for (const [option, instead] of Object.entries(UNGOVERNED)) {
    if (options[option as keyof typeof UNGOVERNED] === undefined) continue;
    const name = option === "errorHandlerNode" ? "errorHandler" : option;
    throw new UnsupportedGraphError(
      `The node ${node} of ${agent} has a ${name}, which this release does not govern. ${instead}`,
      { details: { agent, node, option: name } },
    );
  }
}

function versionOf(agent: Agent, builder: Builder): string {
  const edges = [...builder.allEdges].map(([from, to]) => [String(from), String(to)]).sort();
  return sha256(
    canonicalJson({
      name: agent.name,
      nodes: Object.keys(builder.nodes).sort(),
      edges,
      branches: Object.entries(builder.branches).map(([source, branches]) => [source, ...Object.keys(branches)]),
      channels: Object.keys(builder.channels).sort(),
      tools: Object.values(agent.tools).map(({ name, version, effect }) => [name, version, effect]),
      asks: Object.values(agent.agents).map(({ name }) => name),
      source: agent.graph.toString(),
    }),
  );
}
