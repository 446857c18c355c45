import { setMaxListeners } from "node:events";
import { Runnable, type RunnableConfig } from "@langchain/core/runnables";
import { GraphInterrupt, isGraphBubbleUp } from "@langchain/langgraph";
import type { Attempt } from "./attempt.ts";
import { decode, decodeState, encode } from "./codec.ts";
import { UnsupportedGraphError } from "./errors.ts";
import { withMessageIds } from "./message-ids.ts";
import { currentPlace, Parked, type NodeExecution } from "./node-execution.ts";
import { recordableError } from "./recordable-error.ts";
import type { SuperstepSaver } from "./superstep-saver.ts";

/** Where LangGraph's config carries the attempt. */
export const ATTEMPT = "signalbox_attempt";

/** A node, between LangGraph and the developer's body: what the journal has finished does not run again. */
export class GovernedNode extends Runnable {
  override lc_namespace = ["signalbox"];
  readonly #name: string;
  readonly #body: Runnable;
  readonly #saver: SuperstepSaver;
  readonly #messageChannels: ReadonlySet<string>;

  constructor(name: string, body: Runnable, saver: SuperstepSaver, messageChannels: ReadonlySet<string>) {
    super();
    this.name = name;
    this.#name = name;
    this.#body = body;
    this.#saver = saver;
    this.#messageChannels = messageChannels;
  }

  override async invoke(input: unknown, config: RunnableConfig): Promise<unknown> {
    const attempt = attemptOf(config);
    const key = nodeKey(this.#name, config);
    // LangGraph listens to one signal once for each node of the superstep, and Node takes more than ten for a leak.
    if (config.signal) setMaxListeners(0, config.signal);
    const recorded = attempt.record.nodes.get(key);
    if (recorded !== undefined) {
      const update = decodeState(recorded);
      this.#saver.wrote(attempt, key, update);
      return update;
    }
    const execution = attempt.begin(key);
    if (execution.abandoned) throw new GraphInterrupt([]);
    const startedMs = attempt.clock.monotonicMs();
    const elapsed = (): number => Math.round((attempt.clock.monotonicMs() - startedMs) * 1000) / 1000;
    try {
      const returned = await this.#run(execution, input, config);
      const encoded = encode(withMessageIds(returned, this.#messageChannels, [attempt.head.run, key]));
      if (!attempt.over) {
        attempt.append([
          { type: "node_finished", data: { node: key, name: this.#name, update: encoded, ms: elapsed() } },
        ]);
      }
      attempt.finish(execution);
      // The state goes on from what is recorded and not from what was returned, so that it is the same, down
      // to which objects are one and which are two, when a later attempt goes on from the record.
      const update = decodeState(encoded);
      this.#saver.wrote(attempt, key, update);
      return update;
    } catch (error) {
      // The park is thrown to LangGraph here and nowhere else: never into the body, where a catch could take it.
      if (error instanceof Parked) throw new GraphInterrupt([{ id: key, value: execution.waits }]);
      const failure = asError(isBubbleUp(error) ? unsupportedBubbleUp(error, this.#name, attempt) : error);
      execution.silence();
      await execution.drained();
      if (!attempt.over) {
        const data = { node: key, name: this.#name, error: { ...recordableError(failure) }, ms: elapsed() };
        attempt.append([{ type: "node_failed", data }]);
        attempt.failed(key, failure);
      }
      throw failure;
    }
  }

  /** Runs the body to its end and beyond, until everything that it asked for has come back. */
  async #run(execution: NodeExecution, input: unknown, config: RunnableConfig): Promise<unknown> {
    const body = currentPlace.run(
      { kind: "node", execution },
      () => this.#body.invoke(input, config) as Promise<unknown>,
    );
    body.catch(() => undefined);
    try {
      const returned = await Promise.race([body, execution.parked]);
      await execution.settled();
      execution.assertAllClaimed();
      return returned;
    } catch (error) {
      if (error instanceof Parked || isBubbleUp(error) || execution.abandoned) throw error;
      // What the body had asked for before it failed goes on; what it asks for now is not heard.
      execution.silence();
      execution.assertAllClaimed(error);
      await Promise.race([execution.drained(), execution.parked]);
      throw error;
    } finally {
      execution.close();
    }
  }
}

/** A branch function: its choice is recorded and replayed, and calls in it are refused. */
export class GovernedRoute extends Runnable {
  override lc_namespace = ["signalbox"];
  readonly #source: string;
  readonly #branch: string;
  readonly #path: Runnable;

  constructor(source: string, branch: string, path: Runnable) {
    super();
    this.name = branch;
    this.#source = source;
    this.#branch = branch;
    this.#path = path;
  }

  override async invoke(input: unknown, config: RunnableConfig): Promise<unknown> {
    const attempt = attemptOf(config);
    const route = `${nodeKey(this.#source, config)}>${this.#branch}`;
    const recorded = attempt.record.routes.get(route);
    if (recorded !== undefined) return decode(recorded);
    const chosen = await currentPlace.run(
      { kind: "route", route },
      () => this.#path.invoke(input, config) as Promise<unknown>,
    );
    const to = encode(chosen);
    if (!attempt.over) attempt.append([{ type: "route_taken", data: { route, to } }]);
    return decode(to);
  }
}

function attemptOf(config: RunnableConfig): Attempt {
  return config.configurable?.[ATTEMPT] as Attempt;
}

/**
 * The key of a node execution, the same in every attempt: the superstep, the node, and for `Send` its
 * place among the sent. Inside another node (a subgraph) the enclosing key comes first.
 */
function nodeKey(name: string, config: RunnableConfig): string {
  const step = String(config.metadata?.["langgraph_step"]);
  const path = config.metadata?.["langgraph_path"] as readonly unknown[] | undefined;
  const sent = path && path[0] !== "__pregel_pull" ? `/${path.slice(1).map(String).join(".")}` : "";
  const place = currentPlace.getStore();
  const enclosing = place?.kind === "node" ? `${place.execution.key}|` : "";
  return `${enclosing}${step}/${name}${sent}`;
}

/** LangGraph's own test reads a property, whatever was thrown. */
function isBubbleUp(thrown: unknown): boolean {
  return thrown instanceof Error && isGraphBubbleUp(thrown);
}

/** LangGraph writes on what is thrown, so it has to be an object. */
function asError(thrown: unknown): Error {
  if (thrown instanceof Error && Object.isExtensible(thrown)) return thrown;
  const { name, message } = recordableError(thrown);
  return Object.assign(new Error(message, { cause: thrown }), { name });
}

function unsupportedBubbleUp(error: unknown, node: string, attempt: Attempt): Error {
  const what = error instanceof GraphInterrupt ? "LangGraph's interrupt()" : "a LangGraph command to its parent graph";
  return new UnsupportedGraphError(
    `The node ${node} of ${attempt.head.agent} used ${what}, which this release does not govern. Use human.ask, or a rule that requires approval.`,
    { details: { agent: attempt.head.agent, node } },
  );
}
