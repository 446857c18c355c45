import { Runnable, type RunnableConfig } from "@langchain/core/runnables";
import { Command, GraphInterrupt, isCommand, isParentCommand, type ParentCommand } from "@langchain/langgraph";
import { decode, decodeState, encode } from "./codec.ts";
import { InterruptCaughtError, NonDeterminismError, UnsupportedGraphError } from "./errors.ts";
import { scopeOf, type GraphScope } from "./graph-scope.ts";
import { Interrupts, isInterruptError } from "./interrupts.ts";
import { runBody } from "./lean-graph.ts";
import { withMessageIds } from "./message-ids.ts";
import { Parked, type NodeExecution } from "./node-execution.ts";
import { nextNodeTry, NodeTimer, type NodePolicy } from "./node-policy.ts";
import { currentPlace } from "./place.ts";
import { recordableError } from "./recordable-error.ts";

/** A node, between LangGraph and the developer's body: what the journal has finished does not run again. */
export class GovernedNode extends Runnable {
  override lc_namespace = ["signalbox"];
  readonly #name: string;
  readonly #body: Runnable;
  readonly #messageChannels: ReadonlySet<string>;
  readonly #policy: NodePolicy;

  constructor(name: string, body: Runnable, messageChannels: ReadonlySet<string>, policy: NodePolicy = {}) {
    super();
    this.#policy = policy;
    this.name = name;
    this.#name = name;
    this.#body = body;
    this.#messageChannels = messageChannels;
  }

  override async invoke(input: unknown, config: RunnableConfig): Promise<unknown> {
    const scope = theScopeOf(config);
    const { attempt, channels } = scope;
    const key = scope.nodeKey(this.#name, config);
    // LangGraph goes on for a while with a graph that is not listened to any more.
    if (scope.stopped) throw new GraphInterrupt([]);
    const recorded = attempt.record.nodes.get(key);
    if (recorded !== undefined) {
      const update = decodeState(recorded);
      channels.wrote(key, update);
      return update;
    }
    const execution = scope.begin(key);
    if (execution.abandoned) throw new GraphInterrupt([]);
    const retry = attempt.record.retries.get(key);
    if (retry && retry.dueAt > attempt.now()) {
      execution.tryAgain(retry.dueAt);
      throw new GraphInterrupt([]);
    }
    const startedMs = attempt.clock.monotonicMs();
    const elapsed = (): number => Math.round((attempt.clock.monotonicMs() - startedMs) * 1000) / 1000;
    try {
      const returned = await this.#run(scope, execution, input, config);
      const encoded = encode(withMessageIds(returned, this.#messageChannels, [attempt.head.run, key]));
      if (!attempt.over) {
        attempt.append([
          { type: "node_finished", data: { node: key, name: this.#name, update: encoded, ms: elapsed() } },
        ]);
      }
      scope.finish(execution);
      // The state goes on from what is recorded and not from what was returned, so that it is the same, down
      // to which objects are one and which are two, when a later attempt goes on from the record.
      const update = decodeState(encoded);
      channels.wrote(key, update);
      return update;
    } catch (error) {
      // The park is thrown to LangGraph here and nowhere else: never into the body, where a catch could take it.
      if (error instanceof Parked) throw new GraphInterrupt([]);
      const failure = asError(error);
      // No handler of a node's errors, and no code around a graph inside a node, may make good for these.
      if (isFatal(failure)) scope.graphs.endWith(failure);
      execution.silence();
      await execution.drained();
      // What waits for a time would make its call after the node has failed.
      execution.abandon();
      const failures = (retry?.failures ?? 0) + 1;
      const waitMs = isFatal(failure) || attempt.stopping ? null : nextNodeTry(this.#policy.retry, failure, failures);
      if (waitMs !== null && !attempt.over) {
        await execution.quiet();
        const dueAt = Math.ceil(attempt.now() + waitMs);
        const data = {
          node: key,
          name: this.#name,
          failures,
          error: { ...recordableError(failure) },
          dueAt,
          ms: elapsed(),
        };
        attempt.append([{ type: "node_retried", data }]);
        scope.graphs.tellFailure(key, failure);
        // Always in another attempt: there is one way in which a node goes on from its record.
        execution.tryAgain(dueAt);
        throw new GraphInterrupt([]);
      }
      if (!attempt.over) {
        const data = { node: key, name: this.#name, error: { ...recordableError(failure) }, ms: elapsed() };
        attempt.append([{ type: "node_failed", data }]);
        scope.graphs.tellFailure(key, failure);
      }
      await execution.quiet();
      // What it still waits for is nothing that the run waits for, if that goes on.
      scope.finish(execution);
      throw failure;
    }
  }

  /** Runs the body to its end and beyond, until everything that it asked for has come back. */
  async #run(scope: GraphScope, execution: NodeExecution, input: unknown, config: RunnableConfig): Promise<unknown> {
    const interrupts = new Interrupts(execution, config, scope.graphs.governor.agent.interrupts?.pool);
    const place = { kind: "node", execution, body: this.#body, graphs: scope.graphs, config } as const;
    const body = currentPlace.run(place, () => runBody(this.#body, input, forBody(config)));
    const { nodeIdleMs } = execution.attempt.limits;
    const timer = new NodeTimer(execution, this.#name, { idleTimeout: nodeIdleMs, ...this.#policy.timeout });
    try {
      const ended = await new Promise<unknown>((resolve, reject) => {
        execution.whenParked(reject);
        timer.whenLate(reject);
        body.then(resolve, (error: unknown) => {
          if (error instanceof Error && isParentCommand(error)) resolve(commandOf(error));
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as it was thrown
          else reject(error);
        });
      });
      const returned = forThisGraph(ended, scope, this.#name);
      interrupts.assertNoneCaught();
      if (execution.occupied || execution.abandoned) await execution.settled();
      execution.assertAllClaimed();
      return returned;
    } catch (error) {
      if (error instanceof Parked || execution.abandoned || isFatal(error)) throw error;
      if (isInterruptError(error)) {
        await Promise.race([interrupts.ask(error), execution.parked]);
      }
      interrupts.assertNoneCaught({ error });
      // What the body had asked for before it failed goes on; what it asks for now is not heard.
      execution.silence();
      execution.assertAllClaimed(error);
      await Promise.race([execution.drained(), execution.parked]);
      throw error;
    } finally {
      timer.stop();
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
    const scope = theScopeOf(config);
    const { attempt } = scope;
    const route = `${scope.nodeKey(this.#source, config)}>${this.#branch}`;
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

function theScopeOf(config: RunnableConfig): GraphScope {
  const scope = scopeOf(config);
  if (!scope) throw new Error("A governed graph was run outside an attempt.");
  return scope;
}

/** The config that a node's code is given, a copy: what it writes past its result would be in no record. */
function forBody(config: RunnableConfig): RunnableConfig {
  const configurable: Record<string, unknown> = { ...config.configurable };
  // That the graph goes on from a snapshot is nothing that a graph inside a node may notice.
  if (configurable["__pregel_resuming"] === true) delete configurable["__pregel_resuming"];
  const send = configurable["__pregel_send"] as Send | undefined;
  if (send) {
    configurable["__pregel_send"] = guarded(send);
    configurable["__pregel_call"] = refuseTask;
  }
  return { ...config, configurable };
}

type Send = (writes: readonly (readonly [string, unknown])[]) => void;

function guarded(send: Send): Send {
  return (writes) => {
    const channel = writes.map(([name]) => name).find((name) => name !== "__resume__");
    if (channel !== undefined) {
      throw new UnsupportedGraphError(
        `A node wrote to the channel ${channel} itself (pushMessage does), which this release does not govern. Return it from the node instead; to only show a message, use pushMessage with stateKey: null.`,
        { details: { channel } },
      );
    }
    send(writes);
  };
}

function refuseTask(): never {
  throw new UnsupportedGraphError(
    "A node called a task() of LangGraph's functional API, which this release does not govern. Call the function itself, or make it a node.",
  );
}

/** A command that a graph inside the node sent to the graph around it is what the node returns. */
function commandOf({ command: { update, goto, resume } }: ParentCommand): Command {
  return new Command({
    ...(update === undefined ? {} : { update }),
    ...(resume === undefined ? {} : { resume }),
    ...(goto === undefined ? {} : { goto }),
  });
}

/** @throws {@link UnsupportedGraphError} for a command to the graph around the outermost one: there is none. */
function forThisGraph(returned: unknown, scope: GraphScope, node: string): unknown {
  if (scope.key !== "") return returned;
  const parts: unknown[] = Array.isArray(returned) ? returned : [returned];
  if (!parts.some((part) => isCommand(part) && part.graph === Command.PARENT)) return returned;
  const { agent } = scope.attempt.head;
  throw new UnsupportedGraphError(
    `The node ${node} of ${agent} sent a command to the graph around its own (Command.PARENT), and there is none: it is a node of the agent's own graph. Leave graph out.`,
    { details: { agent, node } },
  );
}

/** LangGraph writes on what is thrown, so it has to be an object. */
function asError(thrown: unknown): Error {
  if (thrown instanceof Error && Object.isExtensible(thrown)) return thrown;
  const { name, message } = recordableError(thrown);
  return Object.assign(new Error(message, { cause: thrown }), { name });
}

/** What only another version of the agent can put right. */
function isFatal(error: unknown): boolean {
  return (
    error instanceof NonDeterminismError ||
    error instanceof UnsupportedGraphError ||
    error instanceof InterruptCaughtError
  );
}
