import { sha256, canonicalJson } from "../core/canonical.ts";
import { GRAPH_SIGN } from "../core/node-keys.ts";
import { encode } from "./codec.ts";
import { EffectOutsideNodeError, UnsupportedGraphError } from "./errors.ts";
import { GraphScope, SCOPE, scopeOf } from "./graph-scope.ts";
import { allowListeners } from "./graph-signals.ts";
import type { Pregel, StreamIterator, StreamOptions } from "./graph-shape.ts";
import { isInterruptError } from "./interrupts.ts";
import { withMessageIds } from "./message-ids.ts";
import type { NodeExecution } from "./node-execution.ts";
import { currentPlace, type Place } from "./place.ts";

const INSTALLED = Symbol.for("signalbox.nested-graphs");

/**
 * From here on a graph that runs inside a node of ours runs governed, wherever the node got it from: a node
 * function may hold a compiled graph that nobody else can see. LangGraph has no hook for it, so the one method
 * that every `invoke` and `stream` of this copy of LangGraph ends in is wrapped. Outside a governed node it
 * does what it did before.
 */
export function governNestedGraphs(compiled: Pregel): void {
  let owner = compiled as object;
  while (!Object.hasOwn(owner, "_streamIterator")) owner = Object.getPrototypeOf(owner) as object;
  const prototype = owner as Pregel;
  const original = prototype._streamIterator as StreamIterator & { [INSTALLED]?: true };
  if (original[INSTALLED]) return;
  const wrapped: StreamIterator = function (input, options) {
    return streamIn(currentPlace.getStore(), original, this, input, options);
  };
  prototype._streamIterator = Object.assign(wrapped, { [INSTALLED]: true });
}

function streamIn(
  place: Place | undefined,
  original: StreamIterator,
  graph: Pregel,
  input: unknown,
  options: StreamOptions | undefined,
): AsyncGenerator {
  if (place?.kind === "node") return streamInside(place, original, graph, input, options);
  const scope = scopeOf(options);
  // The run's own graph, or one that has to do with no run.
  if (scope === undefined || scope.graph.compiled === graph) return original.call(graph, input, options);
  // Inside a call or a branch function: it is none of the record's business, and must not be taken for its node's graph.
  return original.call(graph, input, withScope(options, undefined));
}

/** Runs a graph inside a node. What it ends with reaches the node's code; a wait in it does not. */
async function* streamInside(
  place: Place & { readonly kind: "node" },
  original: StreamIterator,
  graph: Pregel,
  input: unknown,
  options: StreamOptions | undefined,
): AsyncGenerator {
  const { execution, graphs } = place;
  const { attempt } = execution;
  if (execution.further === "unheard") await never();
  if (execution.further === "refused") throw afterItsNode(graph, execution);
  let scope: GraphScope;
  let identified: unknown;
  try {
    const governed = graphs.governor.govern(graph);
    assertNoOptions(governed.compiled, options, attempt.head.agent);
    const key = graphKey(place, graph, input);
    identified = withMessageIds(input, governed.messageChannels, [attempt.head.run, key, "input"]);
    scope = new GraphScope(graphs, governed, { key, inside: execution, input: identified });
  } catch (error) {
    graphs.endWith(error as Error);
    execution.fail(error as Error);
    await never();
    return;
  }
  execution.enter(scope);
  allowListeners(place.config);
  let waits = false;
  try {
    yield* outsidePlaces(original.call(scope.graph.compiled, identified, withScope(options, scope)));
    waits = scope.waiting;
  } catch (error) {
    await scope.settle();
    waits = isInterruptError(error);
    if (waits && !scope.waiting && !scope.stopped && !attempt.over)
      graphs.endWith(stoppedItself(graph, attempt.head.agent));
    if (graphs.fatal) execution.fail(graphs.fatal);
    else if (!waits) {
      scope.forget();
      throw error;
    }
  } finally {
    await scope.settle();
    execution.leave(scope, { waits: waits && scope.waiting });
  }
  if (waits || graphs.fatal) await never();
}

/** Steps through a graph's stream so that its reducers and the like stand in no node: what they call is refused. */
async function* outsidePlaces(stream: AsyncGenerator): AsyncGenerator {
  try {
    for (;;) {
      const next = await currentPlace.run(undefined, () => stream.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await currentPlace.run(undefined, () => stream.return(undefined));
  }
}

function withScope(options: StreamOptions | undefined, scope: GraphScope | undefined): StreamOptions {
  if (options) allowListeners(options);
  return {
    ...options,
    ...(scope ? { durability: "sync" } : {}),
    configurable: { ...options?.configurable, [SCOPE]: scope },
  };
}

/**
 * What stands before the keys of the graph's nodes. A graph that was added as a node has the node's own key.
 * Of those that a node's code runs there may be several, in any order and at the same time: each is known by what
 * it is given, like any call, and by how many were given the same.
 */
function graphKey({ execution, body }: Place & { readonly kind: "node" }, graph: Pregel, input: unknown): string {
  const plain = body === graph;
  const what = plain ? "" : fingerprint(graph, input);
  const nth = execution.nextNth("graph", what);
  if (plain) return nth === 0 ? execution.key : `${execution.key}${GRAPH_SIGN}${String(nth)}`;
  return `${execution.key}${GRAPH_SIGN}${what}${nth === 0 ? "" : `.${String(nth)}`}`;
}

function fingerprint(graph: Pregel, input: unknown): string {
  const nodes = Object.keys(graph.builder?.nodes ?? {});
  let given: unknown;
  try {
    given = encode(input);
  } catch {
    // Not recordable, and not recorded: then the order alone tells.
    given = null;
  }
  return sha256(canonicalJson({ nodes, given })).slice(0, 8);
}

function assertNoOptions(graph: Pregel, options: StreamOptions | undefined, agent: string): void {
  for (const option of ["store", "interruptBefore", "interruptAfter"] as const) {
    const given = options?.[option];
    if (given === undefined || (Array.isArray(given) && given.length === 0)) continue;
    throw new UnsupportedGraphError(
      `A node of ${agent} runs the graph ${graph.name ?? ""} with the option ${option}, which this release does not govern. Call interrupt() where somebody is to be asked, and use the agent's memory instead of a store.`,
      { details: { agent, option } },
    );
  }
}

function stoppedItself(graph: Pregel, agent: string): UnsupportedGraphError {
  return new UnsupportedGraphError(
    `The graph ${graph.name ?? ""} inside a node of ${agent} was interrupted, and nobody was asked anything. Use interrupt() in one of its nodes.`,
    { details: { agent } },
  );
}

function afterItsNode(graph: Pregel, execution: NodeExecution): EffectOutsideNodeError {
  return new EffectOutsideNodeError(
    `The graph ${graph.name ?? ""} was run after the node ${execution.key} had ended. Await every graph before the node returns.`,
    { details: { node: execution.key } },
  );
}

function never(): Promise<undefined> {
  return new Promise<undefined>(() => undefined);
}
