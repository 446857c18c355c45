import type { Runnable, RunnableConfig } from "@langchain/core/runnables";
import { isInterrupted, type Checkpoint, type CheckpointMetadata } from "@langchain/langgraph";
import type { ChannelTracker } from "./channel-tracker.ts";
import { scopeOf, type GraphScope } from "./graph-scope.ts";
import type { Pregel } from "./graph-shape.ts";
import { LeanSequence } from "./lean-graph.ts";
import { breathe, placeOf } from "./superstep-saver.ts";

/** One node of a superstep, ready to run. */
interface Task {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
  readonly proc: Runnable;
  readonly config?: RunnableConfig & { readonly executionInfo?: object };
  readonly writes: unknown[];
  readonly timeout?: unknown;
  readonly retry_policy?: unknown;
}

/** LangGraph's scheduler of one run of a graph, as far as it is looked at here. */
interface Loop {
  tasks: Readonly<Record<string, Task>>;
  stream: { readonly modes: ReadonlySet<string>; push(chunk: readonly [unknown, string, unknown]): void };
  readonly config: RunnableConfig;
  readonly isNested: boolean;
  readonly cache?: unknown;
  getErrorHandlerNode(node: string): string | undefined;
  _checkpointerPutAfterPrevious(put: Put): void;
  _awaitCheckpointerPromises(): Promise<void>;
  _trackCheckpointerPromise(promise: Promise<unknown>): void;
}

interface Put {
  readonly config: RunnableConfig;
  readonly checkpoint: Checkpoint;
  readonly metadata: CheckpointMetadata;
}

/** What runs the tasks of a superstep. */
interface Runner {
  tick(options: TickOptions): Promise<void>;
  _commit(task: Task, error?: unknown): void;
}

interface TickOptions {
  readonly timeout?: unknown;
  readonly retryPolicy?: unknown;
  readonly maxConcurrency?: unknown;
  readonly signal?: AbortSignal;
}

type RunLoop = (this: Pregel, params: LoopParams) => Promise<void>;

interface LoopParams {
  readonly loop: Loop;
  readonly runner: Runner;
  readonly debug?: boolean;
}

/**
 * Lets LangGraph's scheduler, which decides what runs when and what comes of it, do so for the run's own graph with
 * less around it: a node that runs alone is run and not raced against siblings that there are none of, and a
 * superstep's end is taken down at once and not by a chain of promises, which is for checkpoints that are stored.
 */
export function leanLoop(compiled: Pregel): void {
  const graph = compiled as Pregel & { _runLoop?: RunLoop };
  const whole = graph._runLoop;
  if (typeof whole !== "function") return;
  graph._runLoop = function (params) {
    const { loop, runner, debug } = params;
    const scope = scopeOf(loop.config);
    if (scope?.key === "" && scope.graph.compiled === this && !loop.isNested && debug !== true) {
      putAtOnce(loop, scope.channels);
      loop.stream = lastStateOf(scope);
      runAlone(loop, runner);
    }
    return whole.call(this, params);
  };
}

/** There is nothing to wait for: what takes down the superstep takes it down in memory. */
function putAtOnce(loop: Loop, channels: ChannelTracker): void {
  loop._trackCheckpointerPromise = () => undefined;
  loop._awaitCheckpointerPromises = breathe;
  loop._checkpointerPutAfterPrevious = ({ config, checkpoint, metadata }) => {
    channels.put(placeOf(config, checkpoint), checkpoint, metadata);
  };
}

/** In the place of a stream of all states, for somebody who wants the last. */
function lastStateOf(scope: GraphScope): Loop["stream"] {
  return {
    modes: VALUES,
    push([, mode, state]) {
      if (mode === "values" && !isInterrupted(state)) scope.lastState = state;
    },
  };
}

const VALUES: ReadonlySet<string> = new Set(["values"]);

function runAlone(loop: Loop, runner: Runner): void {
  const tick = runner.tick.bind(runner);
  runner.tick = async (options) => {
    const [task, ...others] = Object.values(loop.tasks);
    const proc = task?.proc;
    if (others.length > 0 || !task || !(proc instanceof LeanSequence) || !isPlain(task, loop, options))
      return tick(options);
    const error = await run(task, proc);
    runner._commit(task, error);
    if (error !== undefined) throw error;
  };
}

/** True for a task that is neither timed, tried again, nor handed to somebody when it fails. */
function isPlain(task: Task, loop: Loop, options: TickOptions): boolean {
  return (
    task.writes.length === 0 &&
    task.config !== undefined &&
    task.config.callbacks === undefined &&
    options.signal === undefined &&
    [options.timeout, options.retryPolicy, options.maxConcurrency, task.timeout, task.retry_policy].every(
      (option) => option === undefined,
    ) &&
    loop.getErrorHandlerNode(task.name) === undefined
  );
}

/** @returns what it threw: a node of ours throws nothing but errors */
async function run({ id, input, config }: Task, proc: LeanSequence): Promise<Error | undefined> {
  const given = {
    ...config,
    executionInfo: { ...config?.executionInfo, nodeFirstAttemptTime: Date.now() },
    // Nobody but its siblings could abort it.
    signal: new AbortController().signal,
  };
  try {
    await proc.alone(input, given);
    return undefined;
  } catch (thrown) {
    return Object.assign(thrown as Error, { pregelTaskId: id });
  }
}
