import type { Runnable, RunnableConfig } from "@langchain/core/runnables";
import {
  copyCheckpoint,
  EmptyChannelError,
  isInterrupted,
  type Checkpoint,
  type CheckpointMetadata,
} from "@langchain/langgraph";
import type { ChannelTracker } from "./channel-tracker.ts";
import { scopeOf, type GraphScope } from "./graph-scope.ts";
import type { Pregel } from "./graph-shape.ts";
import { LeanSequence, ONE_VALUE } from "./lean-graph.ts";
import { breathe, placeOf } from "./superstep-saver.ts";

/** LangGraph's name for a channel of which what was written is stored, and seldom what it holds. */
const STORES_WRITES = "DeltaChannel";

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
  step: number;
  checkpoint: Checkpoint;
  checkpointMetadata: CheckpointMetadata;
  readonly channels: Readonly<Record<string, Channel>>;
  stream: { readonly modes: ReadonlySet<string>; push(chunk: readonly [unknown, string, unknown]): void };
  readonly config: RunnableConfig;
  readonly isNested: boolean;
  readonly cache?: unknown;
  getErrorHandlerNode(node: string): string | undefined;
  _putCheckpoint(metadata: CheckpointMetadata): void;
  _awaitCheckpointerPromises(): Promise<void>;
  _trackCheckpointerPromise(promise: Promise<unknown>): void;
}

interface Channel {
  readonly lc_graph_name: string;
  isAvailable(): boolean;
  checkpoint(): unknown;
}

/** What runs the tasks of a superstep. */
interface Runner {
  readonly nodeFinished?: unknown;
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

/**
 * There is nothing to wait for: what takes down the superstep takes it down in memory. What LangGraph does around it is
 * for checkpoints that are stored, and the more for channels that store what was written and not what they hold.
 */
function putAtOnce(loop: Loop, channels: ChannelTracker): void {
  loop._trackCheckpointerPromise = () => undefined;
  loop._awaitCheckpointerPromises = breathe;
  if (Object.values(loop.channels).some((channel) => channel.lc_graph_name === STORES_WRITES)) return;
  const { id } = loop.checkpoint;
  loop._putCheckpoint = (metadata) => {
    const { step, checkpoint } = loop;
    loop.checkpointMetadata = { ...metadata, step, parents: {} };
    loop.checkpoint = {
      v: checkpoint.v,
      id: idAt(id, step),
      ts: new Date().toISOString(),
      channel_values: valuesOf(loop.channels),
      channel_versions: { ...checkpoint.channel_versions },
      versions_seen: checkpoint.versions_seen,
    };
    channels.put(placeOf(loop.config, loop.checkpoint), copyCheckpoint(loop.checkpoint), loop.checkpointMetadata);
    loop.step++;
  };
}

/** Where a superstep stands, in the last eight digits of the id that its graph began with: a UUID that no other has. */
function idAt(first: string, step: number): string {
  return first.slice(0, -8) + (step + 1).toString(16).padStart(8, "0");
}

/** What the channels hold that hold something. */
function valuesOf(channels: Loop["channels"]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, channel] of Object.entries(channels)) {
    // Most of a graph's channels are these, and most of them are empty: they need not say so by an error.
    if (ONE_VALUE.has(channel.lc_graph_name) && !channel.isAvailable()) continue;
    try {
      values[name] = channel.checkpoint();
    } catch (error) {
      if (!(error instanceof EmptyChannelError)) throw error;
    }
  }
  return values;
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
    // Of a node that has written and has no siblings, there is nothing to be kept until they are done.
    if (error === undefined && task.writes.length > 0 && runner.nodeFinished === undefined) return;
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
  // The configuration was made for this task, and nobody else has it.
  const own = config as { -readonly [Key in keyof NonNullable<Task["config"]>]: NonNullable<Task["config"]>[Key] };
  own.executionInfo = { ...own.executionInfo, nodeFirstAttemptTime: Date.now() };
  // Nobody but its siblings could abort it.
  own.signal = new AbortController().signal;
  try {
    await proc.alone(input, own);
    return undefined;
  } catch (thrown) {
    return Object.assign(thrown as Error, { pregelTaskId: id });
  }
}
