import type { Agent } from "../../agents/define-agent.ts";
import { leanContext } from "./lean-context.ts";
import { runGraph } from "./lean-graph.ts";
import { SignalboxError, toErrorRecord } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { agentVersionOf } from "./agent-version.ts";
import { encode } from "./codec.ts";
import { InvalidGraphError, InvalidOutputError, SuperstepLimitError, UnsupportedGraphError } from "./errors.ts";
import { Governor } from "./governor.ts";
import { AttemptGraphs, GraphScope, SCOPE } from "./graph-scope.ts";
import { isBuilder, isPregel, type Builder, type Pregel } from "./graph-shape.ts";
import { buildHandles, type HandleServices } from "./handles.ts";
import { withMessageIds } from "./message-ids.ts";
import { governNestedGraphs } from "./nested-graphs.ts";
import { currentPlace } from "./place.ts";
import type { Runnable } from "./runnable.ts";
import { openCallTool } from "./tool-call.ts";

/** An agent whose graph is governed and compiled: once per process, for all its runs. */
export interface CompiledAgent extends Runnable {
  readonly agent: Agent;
  /** SHA-256 over the graph's shape, its tools' and its own schemas, and its source. */
  readonly version: string;
}

/**
 * Builds an agent's graph around its handles, wraps every node and branch function, and compiles it.
 *
 * @throws {@link UnsupportedGraphError} for what Signalbox does not govern yet, {@link InvalidGraphError} if the graph
 *   cannot be built.
 */
export function compileAgent(agent: Agent, services: HandleServices): CompiledAgent {
  leanContext();
  const { given, governor, graph } = built(agent, services);
  const { compiled, messageChannels } = graph;
  const bound = compiled.config?.recursionLimit ?? Infinity;
  return {
    agent,
    shape: graph.shape,
    version: agent.version ?? agentVersionOf(agent, builderOf(agent, given)),
    openCallTool: ({ name, input }) => openCallTool(agent, name, input),
    async invoke(input, attempt) {
      const graphs = new AttemptGraphs(attempt, governor);
      const scope = new GraphScope(graphs, graph, { key: "", inside: null, input });
      // An aborted attempt does not wait for LangGraph to come back.
      attempt.aborted.catch(() => {
        scope.channels.end();
      });
      const recursionLimit = Math.min(bound, attempt.limits.maxSupersteps);
      const thread = { thread_id: `${attempt.head.run}/${String(attempt.head.epoch)}` };
      const { from } = attempt;
      try {
        if (from) {
          const place = { ...thread, checkpoint_ns: "", checkpoint_id: from.checkpoint.id };
          scope.channels.restore({ configurable: place }, from, recursionLimit);
        }
        // Without an input, LangGraph goes on from the checkpoint that it is given.
        const identified = from ? null : withMessageIds(input, messageChannels, [attempt.head.run, "input"]);
        // Whatever led here may itself have been code in a node; this run's nodes are inside none.
        const state = await currentPlace.run(undefined, () =>
          runGraph(scope, identified, {
            configurable: { ...thread, [SCOPE]: scope },
            recursionLimit,
            durability: "sync",
          }),
        );
        if (graphs.fatal) throw graphs.fatal;
        return attempt.nodes.waits.length > 0 ? undefined : outputOf(agent, state);
      } catch (error) {
        // Several nodes of one superstep failed: the first is the one that stopped the others.
        const first: unknown = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
        throw graphs.fatal ?? (isRecursionLimit(first) ? superstepLimit(agent, first, recursionLimit) : first);
      } finally {
        scope.channels.end();
      }
    },
  };
}

/** What its developer's code or LangGraph throws here is a mistake in that agent, and is told as one. */
function built(agent: Agent, services: HandleServices) {
  try {
    const given = graphOf(agent, services);
    const governor = new Governor(agent);
    const graph = governor.govern(given);
    governNestedGraphs(graph.compiled);
    return { given, governor, graph };
  } catch (error) {
    if (error instanceof SignalboxError) throw error;
    throw new InvalidGraphError(
      `The graph of the agent "${agent.name}" cannot be built: ${toErrorRecord(error).message} Correct the function "graph" of its definition; without that no worker starts.`,
      { details: { agent: agent.name }, cause: error },
    );
  }
}

function graphOf(agent: Agent, services: HandleServices): Builder | Pregel {
  const given: unknown = agent.graph(buildHandles(agent, services));
  if (isPregel(given) || isBuilder(given)) return given;
  throw new UnsupportedGraphError(
    `The graph of ${agent.name} is neither a StateGraph nor a compiled one. Return new StateGraph(...) with its nodes and edges, or what its compile() returns.`,
    { details: { agent: agent.name } },
  );
}

function builderOf(agent: Agent, graph: Builder | Pregel): Builder {
  if (!isPregel(graph)) return graph;
  if (graph.builder) return graph.builder;
  throw new UnsupportedGraphError(
    `The graph of ${agent.name} was not made by a StateGraph, and this release governs no others. Make it a StateGraph.`,
    { details: { agent: agent.name } },
  );
}

function isRecursionLimit(error: unknown): error is Error {
  return error instanceof Error && error.name === "GraphRecursionError";
}

function superstepLimit(agent: Agent, error: Error, limit: number): SuperstepLimitError {
  return new SuperstepLimitError(
    `The run of ${agent.name} was ended: a graph made more supersteps than it may (${String(limit)} for the agent's own graph). Mend the loop, or raise limits.maxSupersteps, or the recursionLimit that the graph was given.`,
    { details: { agent: agent.name, limit }, cause: error },
  );
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
