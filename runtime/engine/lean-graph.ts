import { AsyncLocalStorageProviderSingleton } from "@langchain/core/singletons";
import { Runnable, type RunnableConfig } from "@langchain/core/runnables";
import { isInterrupted } from "@langchain/langgraph";
import type { GraphScope } from "./graph-scope.ts";
import { allowListeners } from "./graph-signals.ts";
import { isPlainObject } from "../core/json.ts";
import type { Pregel, StreamOptions } from "./graph-shape.ts";

/** What LangGraph makes of a function: see its `RunnableCallable`. */
interface Callable extends Runnable {
  readonly func: (input: unknown, config: RunnableConfig) => unknown;
  readonly trace: boolean;
  readonly recurse: boolean;
  readonly config?: RunnableConfig | undefined;
}

/** A write to one channel: of its input, where the value says so, through the mapper, if it has one. */
interface ChannelEntry {
  readonly channel: string;
  readonly value: unknown;
  readonly skipNone?: boolean | undefined;
  readonly mapper?: Callable | undefined;
}

/** Writes of what a mapper makes of its input. */
interface TupleEntry {
  readonly value: unknown;
  readonly mapper: Callable;
}

/** LangGraph's `ChannelWrite`. */
interface Writer extends Runnable {
  readonly writes: readonly (ChannelEntry | TupleEntry)[];
}

/** One of LangGraph's nodes, as a compiled graph holds it. */
interface CompiledNode {
  readonly bound: Runnable;
  getNode(): Runnable | undefined;
  getWriters(): Runnable[];
}

/** A channel that holds one value or none. */
interface OneValueChannel {
  readonly lc_graph_name: string;
  value: readonly unknown[];
  get(): unknown;
  checkpoint(): unknown;
  fromCheckpoint(checkpoint: unknown): OneValueChannel;
}

type Send = (writes: readonly (readonly [string, unknown])[]) => void;

/** LangGraph's names for channels that hold one value or none. */
export const ONE_VALUE: ReadonlySet<string> = new Set(["EphemeralValue", "LastValue"]);

const PASSTHROUGH = Symbol.for("LG_PASSTHROUGH");
const SKIP_WRITE = Symbol.for("LG_SKIP_WRITE");
/** LangGraph's name for a writer that asks a branch function, and where it puts the one that looks for commands. */
const BRANCH = "<branch_run>";
const COMMANDS = 1;
/** A node of LangGraph that only writes has this in the place of a function. */
const NOTHING_BOUND = "RunnablePassthrough";

/**
 * Does for a governed graph what LangGraph does for each task, once: it makes a sequence of a node and its writers,
 * with configurations merged and copied before every part of it, and throws an error, with a stack, for every channel
 * that is empty. What the parts do is LangGraph's, and so is the sequence where somebody listens (callbacks).
 *
 * @param compiled a graph of our own, compiled from wrapped nodes; it is changed
 */
export function leanGraph(compiled: Pregel): void {
  for (const [name, node] of Object.entries(compiled.nodes as Readonly<Record<string, CompiledNode>>)) {
    const writers = node.getWriters();
    const whole = node.getNode();
    if (whole === undefined) continue;
    const bound = node.bound.getName() === NOTHING_BOUND ? null : node.bound;
    const lean = new LeanSequence(name, whole, bound, writers);
    Object.assign(node, { getWriters: () => [...writers], getNode: () => lean });
  }
  for (const [name, channel] of Object.entries(compiled.channels as Readonly<Record<string, OneValueChannel>>)) {
    if (!ONE_VALUE.has(channel.lc_graph_name)) continue;
    (compiled.channels as Record<string, object>)[name] = quiet(channel);
  }
}

/**
 * Runs the body of a node. A function is called as LangGraph calls it, with the configuration as it is.
 *
 * @param given a configuration that nobody else has, but for what it holds
 */
export function runBody(body: Runnable, input: unknown, given: RunnableConfig): Promise<unknown> {
  if (given.callbacks !== undefined || !isUntraced(body) || body.config !== undefined)
    return body.invoke(input, given) as Promise<unknown>;
  given.metadata = { ...given.metadata };
  return AsyncLocalStorageProviderSingleton.runWithConfig<Promise<unknown>>(given, async () => {
    const returned = await body.func(input, given);
    return body.recurse && Runnable.isRunnable(returned)
      ? ((await returned.invoke(input, given)) as unknown)
      : returned;
  });
}

/**
 * Runs a compiled graph to its end, as its `invoke` does, without the three streams that `invoke` reads one from the
 * other.
 *
 * @returns the last state; undefined if the graph was interrupted before it had one
 */
export async function runGraph(scope: GraphScope, input: unknown, options: StreamOptions): Promise<unknown> {
  const { compiled } = scope.graph;
  const values = {
    ...options,
    outputKeys: compiled.outputChannels,
    streamMode: "values",
    encoding: undefined,
  } as const;
  let latest: unknown;
  for await (const state of compiled._streamIterator(input, values)) if (!isInterrupted(state)) latest = state;
  return scope.lastState ?? latest;
}

/** What is done after a node: LangGraph's own writes, commands that the node returned, and branch functions. */
type Step =
  | { readonly kind: "plain" | "mapped"; readonly writer: Writer }
  | { readonly kind: "commands" | "other"; readonly writer: Runnable };

/** A node and its writers, one after the other. */
export class LeanSequence extends Runnable {
  override lc_namespace = ["signalbox"];
  readonly #whole: Runnable;
  readonly #bound: Runnable | null;
  readonly #writers: readonly Step[];

  constructor(name: string, whole: Runnable, bound: Runnable | null, writers: readonly Runnable[]) {
    super();
    this.name = name;
    this.#whole = whole;
    this.#bound = bound;
    this.#writers = writers.map((writer, i) => {
      if (!isPlainWriter(writer))
        return { kind: i === COMMANDS && writer.name === BRANCH ? "commands" : "other", writer };
      return { kind: writer.writes.some(({ mapper }) => mapper) ? "mapped" : "plain", writer };
    });
  }

  override invoke(input: unknown, config: RunnableConfig): Promise<unknown> {
    if (config.callbacks !== undefined) {
      allowListeners(config);
      return this.#whole.invoke(input, config) as Promise<unknown>;
    }
    const { signal } = config;
    const steps = this.#steps(input, config);
    // As in LangGraph: a task whose superstep has failed is not waited for.
    return signal ? unlessAborted(steps, signal) : steps;
  }

  /** Runs it where nothing could abort it, and nobody listens. */
  alone(input: unknown, config: RunnableConfig): Promise<unknown> {
    return this.#steps(input, config);
  }

  async #steps(input: unknown, config: RunnableConfig): Promise<unknown> {
    let value = this.#bound ? ((await this.#bound.invoke(input, config)) as unknown) : input;
    if (config.signal?.aborted === true) throw reasonOf(config.signal);
    for (const { kind, writer } of this.#writers) {
      if (kind === "plain") write(writer, value, config);
      else if (kind === "mapped") await writeMapped(writer, value, config);
      else if (kind === "other" || mayHoldCommands(value)) value = await runBody(writer, value, { ...config });
    }
    return value;
  }
}

/** What is to be done when a signal aborts: one listener for all, because Node takes more than ten for a leak. */
const onAbort = new WeakMap<AbortSignal, Set<() => void>>();

function listenersOf(signal: AbortSignal): Set<() => void> {
  const known = onAbort.get(signal);
  if (known) return known;
  const listeners = new Set<() => void>();
  onAbort.set(signal, listeners);
  signal.addEventListener("abort", () => {
    for (const listener of listeners) listener();
  });
  return listeners;
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => {
      reject(reasonOf(signal));
    };
    if (signal.aborted) abort();
    const listeners = listenersOf(signal);
    listeners.add(abort);
    work.then(
      (value) => {
        listeners.delete(abort);
        resolve(value);
      },
      (error: unknown) => {
        listeners.delete(abort);
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as it was thrown
        reject(error);
      },
    );
  });
}

function reasonOf({ reason }: AbortSignal): Error {
  if (reason instanceof Error) return reason;
  return new Error(typeof reason === "string" ? reason : "Aborted");
}

/** True for a writer whose parts are all LangGraph's own functions, and not somebody's. */
function isPlainWriter(writer: Runnable): writer is Writer {
  if (!("writes" in writer) || !Array.isArray(writer.writes)) return false;
  return (writer.writes as readonly Partial<ChannelEntry>[]).every(
    (entry) =>
      (typeof entry.channel === "string" && entry.channel !== "__pregel_tasks" && entry.mapper === undefined) ||
      (entry.mapper !== undefined && isPlainFunction(entry.mapper)),
  );
}

/** True for a function of LangGraph's own, whose result is what it is. */
function isPlainFunction(runnable: Runnable): boolean {
  return isUntraced(runnable) && !runnable.recurse;
}

/** True for what LangGraph has made of a function and does not trace. */
function isUntraced(runnable: Runnable): runnable is Callable {
  const { func, trace } = runnable as Partial<Callable>;
  return runnable.lc_namespace[0] === "langgraph" && typeof func === "function" && trace === false;
}

/** What LangGraph's `ChannelWrite` does, where no entry has a mapper. */
function write(writer: Writer, input: unknown, config: RunnableConfig): void {
  const writes: [string, unknown][] = [];
  for (const entry of writer.writes) if ("channel" in entry) add(writes, entry, givenTo(entry, input));
  send(config, writes);
}

/** The same, where some have one. */
async function writeMapped(writer: Writer, input: unknown, config: RunnableConfig): Promise<void> {
  const writes: [string, unknown][] = [];
  for (const entry of writer.writes) {
    const given = givenTo(entry, input);
    const mapped = entry.mapper ? await entry.mapper.func(given, config) : given;
    if ("channel" in entry) add(writes, entry, mapped);
    else writes.push(...((mapped ?? []) as [string, unknown][]));
  }
  send(config, writes);
}

function givenTo({ value }: ChannelEntry | TupleEntry, input: unknown): unknown {
  return isMark(value, PASSTHROUGH) ? input : value;
}

function add(writes: [string, unknown][], { channel, skipNone }: ChannelEntry, value: unknown): void {
  if (!isMark(value, SKIP_WRITE) && !(skipNone === true && value === undefined)) writes.push([channel, value]);
}

function send(config: RunnableConfig, writes: readonly (readonly [string, unknown])[]): void {
  (config.configurable?.["__pregel_send"] as Send)(writes);
}

/** False for a plain update of the state. */
function mayHoldCommands(value: unknown): boolean {
  return !isPlainObject(value) || "lg_name" in value;
}

function isMark(value: unknown, mark: symbol): boolean {
  return typeof value === "object" && value !== null && mark in value;
}

/** A channel of the same kind that throws one and the same error whenever it is empty: LangGraph only looks at its name. */
function quiet(channel: OneValueChannel): OneValueChannel {
  const empty = thrownBy(() => channel.fromCheckpoint(undefined).get());
  return empty ? quietOf(channel, empty) : channel;
}

function quietOf(channel: OneValueChannel, empty: Error): OneValueChannel {
  const get = function (this: OneValueChannel): unknown {
    if (this.value.length === 0) throw empty;
    return this.value[0];
  };
  const fromCheckpoint = (checkpoint: unknown): OneValueChannel =>
    Object.assign(Object.create(prototype) as OneValueChannel, channel.fromCheckpoint(checkpoint));
  const own = { get: { value: get }, checkpoint: { value: get }, fromCheckpoint: { value: fromCheckpoint } };
  const prototype = Object.create(Object.getPrototypeOf(channel) as object, own) as OneValueChannel;
  return fromCheckpoint(undefined);
}

function thrownBy(work: () => unknown): Error | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : undefined;
  }
}
