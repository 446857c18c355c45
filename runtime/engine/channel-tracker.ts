import {
  GraphRecursionError,
  type Checkpoint,
  type CheckpointMetadata,
  type CheckpointTuple,
  isCommand,
} from "@langchain/langgraph";
import type { RunnableConfig } from "@langchain/core/runnables";
import { canonicalJson, sha256 } from "../core/canonical.ts";
import type { ChannelChange } from "../core/events.ts";
import type { JsonValue } from "../core/json.ts";
import { superstepKey } from "../core/node-keys.ts";
import type { Attempt } from "./attempt.ts";
import { encode } from "./codec.ts";
import { NonDeterminismError } from "./errors.ts";
import type { AttemptGraphs } from "./graph-scope.ts";
import type { GraphPoint } from "./snapshot-text.ts";

/** A channel as it was after the superstep before. */
interface Seen {
  readonly value: unknown;
  /** Of an array; else -1. */
  readonly length: number;
  /** LangGraph raises it whenever something was written to the channel. */
  readonly version: string | number | undefined;
}

const NO_CHANNELS = sha256("signalbox-channels-1");

/**
 * Follows the channels of one graph in one attempt, by reference, and writes into the journal how each
 * superstep changed them. In fast-forward it compares instead.
 *
 * An append to an array is recorded as an append, and a value that a node's recorded update already holds
 * is recorded as a reference to it, so that a superstep costs what it changed and not what the state holds.
 */
export class ChannelTracker {
  readonly #graphs: AttemptGraphs;
  readonly #graph: string;
  readonly #stateChannels: ReadonlySet<string>;
  readonly #input: unknown;
  /** What node executions of the superstep under way wrote, decoded, in the order of their ends. */
  #writes: { readonly node: string; readonly update: Readonly<Record<string, unknown>> }[] = [];
  readonly #channels = new Map<string, Seen>();
  #hash = NO_CHANNELS;
  #limit = Infinity;
  #ended = false;
  #tuple: CheckpointTuple | undefined;

  constructor(
    graphs: AttemptGraphs,
    graph: { readonly key: string; readonly channels: ReadonlySet<string>; readonly input: unknown },
  ) {
    this.#graphs = graphs;
    this.#graph = graph.key;
    this.#stateChannels = graph.channels;
    this.#input = graph.input;
  }

  /** The newest checkpoint, by reference. */
  get tuple(): CheckpointTuple | undefined {
    return this.#tuple;
  }

  /**
   * Goes on from where a snapshot was taken, as if it had followed the graph there.
   *
   * @param limit the superstep at which LangGraph would have stopped: it counts them from where it goes on
   */
  restore(config: RunnableConfig, { step, channels, checkpoint }: GraphPoint, limit: number): void {
    this.#limit = limit;
    this.#assertWithin(step);
    this.#tuple = { config, checkpoint, metadata: { source: "loop", step, parents: {} } };
    this.#hash = channels;
    for (const channel of this.#stateChannels) {
      if (channel in checkpoint.channel_values) this.#channels.set(channel, seenOf(checkpoint, channel));
    }
  }

  /** A node execution has ended with this update, live or from the record. */
  wrote(node: string, update: unknown): void {
    const plain = plainUpdate(ownUpdate(update));
    if (plain) this.#writes.push({ node, update: plain });
  }

  /** A superstep has ended. */
  put(config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata): void {
    if (this.#ended || this.#graphs.attempt.over) return;
    this.#tuple = { config, checkpoint, metadata };
    try {
      this.#record(checkpoint, metadata);
    } catch (error) {
      // Code that runs this graph inside a node might catch it and go on from a state that is not the recorded one.
      if (error instanceof NonDeterminismError) this.#graphs.endWith(error);
      throw error;
    }
    this.#assertWithin(metadata.step);
  }

  #assertWithin(step: number): void {
    if (step >= this.#limit) throw new GraphRecursionError(`The graph has made ${String(step)} supersteps.`);
  }

  /** The graph has ended: LangGraph may come back for a while, but not for the record. */
  end(): void {
    this.#ended = true;
    this.#tuple = undefined;
  }

  #record(checkpoint: Checkpoint, { step, source }: CheckpointMetadata): void {
    const { attempt } = this.#graphs;
    const { channel_values: values } = checkpoint;
    const writes = this.#writes.sort((a, b) => (a.node < b.node ? -1 : 1));
    this.#writes = [];
    // Only the run's own input is in the record by itself, to be referred to.
    const input = step === -1 && this.#graph === "" ? plainUpdate(this.#input) : null;
    if (input) writes.push({ node: "input", update: input });
    const changes: Record<string, ChannelChange> = {};
    const hashed: Record<string, JsonValue> = {};
    for (const channel of this.#stateChannels) {
      if (!(channel in values)) continue;
      const value = values[channel];
      const before = this.#channels.get(channel);
      const seen = seenOf(checkpoint, channel);
      if (before && isUnchanged(before, seen)) {
        if (before.length !== seen.length) throw changedInPlace(attempt, channel);
        continue;
      }
      this.#channels.set(channel, seen);
      const tail = appended(before, value);
      const content = encode(tail ?? value);
      hashed[channel] = tail ? { append: content } : { set: content };
      changes[channel] = tail
        ? appendChange(channel, tail, content, writes)
        : setChange(channel, value, content, writes);
    }
    // LangGraph's first checkpoint, before the input has been taken in, is worth an event only if channels have defaults.
    if (step === -1 && Object.keys(changes).length === 0) return;
    this.#hash = sha256(`${this.#hash}\n${canonicalJson(hashed)}`);
    const graph = this.#graph;
    const recorded = attempt.record.supersteps.get(superstepKey(graph, step));
    if (recorded === undefined) {
      attempt.append([{ type: "superstep_finished", data: { graph, step, changes, channels: this.#hash } }]);
      if (graph === "" && source === "loop") this.#offerSnapshot(checkpoint, step);
    } else if (recorded !== this.#hash) {
      throw stateDiffers(attempt, graph, step);
    }
  }

  #offerSnapshot(checkpoint: Checkpoint, step: number): void {
    // A channel that had a value once and has none now is compared with that value when it has one again.
    // And one that holds undefined would hold nothing when it comes back.
    const values = checkpoint.channel_values;
    for (const channel of this.#channels.keys()) if (values[channel] === undefined) return;
    this.#graphs.attempt.reached({ step, channels: this.#hash, checkpoint });
  }
}

function seenOf({ channel_values: values, channel_versions: versions }: Checkpoint, channel: string): Seen {
  const value = values[channel];
  return { value, length: Array.isArray(value) ? value.length : -1, version: versions[channel] };
}

function stateDiffers(attempt: Attempt, graph: string, step: number): NonDeterminismError {
  const of = graph === "" ? attempt.head.agent : `the graph inside ${graph} of ${attempt.head.agent}`;
  return new NonDeterminismError(
    `The state of ${of} after superstep ${String(step)} is not what the record says, although every node gave its recorded update. A reducer depends on something that is not recorded, or has changed while the run waited.`,
    { details: { run: attempt.head.run, graph, step } },
  );
}

/** True if nothing was written to the channel, or the same primitive value again. */
function isUnchanged(before: Seen, now: Seen): boolean {
  if (!Object.is(before.value, now.value)) return false;
  return before.version === now.version || typeof now.value !== "object" || now.value === null;
}

function changedInPlace(attempt: Attempt, channel: string): NonDeterminismError {
  return new NonDeterminismError(
    `A node of ${attempt.head.agent} changed the list in the channel "${channel}" in place, without returning it. Such a change is not recorded and would be gone after a restart. Return the new value from the node instead.`,
    { details: { run: attempt.head.run, channel } },
  );
}

/** The items that were added at the end, if that is all that happened to an array. */
function appended(
  before: { readonly value: unknown; readonly length: number } | undefined,
  value: unknown,
): unknown[] | null {
  if (!before || !Array.isArray(value) || !Array.isArray(before.value) || value.length <= before.length) return null;
  // In every superstep the whole list, so in the fewest instructions: only zeros and NaN need a closer look.
  for (let i = 0; i < before.length; i++) {
    const item: unknown = value[i];
    if ((item !== before.value[i] || item === 0) && !Object.is(item, before.value[i])) return null;
  }
  return value.slice(before.length) as unknown[];
}

type Writes = readonly { readonly node: string; readonly update: Readonly<Record<string, unknown>> }[];

function setChange(channel: string, value: unknown, content: JsonValue, writes: Writes): ChannelChange {
  const by = writes.find((write) => channel in write.update && Object.is(write.update[channel], value));
  return by ? { op: "set_by", node: by.node } : { op: "set", value: content };
}

function appendChange(channel: string, tail: readonly unknown[], content: JsonValue, writes: Writes): ChannelChange {
  const nodes: string[] = [];
  let at = 0;
  for (const { node, update } of writes) {
    const items = update[channel];
    if (!Array.isArray(items) || items.length === 0) continue;
    if (items.every((item, i) => Object.is(item, tail[at + i]))) {
      nodes.push(node);
      at += items.length;
    }
  }
  return at === tail.length ? { op: "append_by", nodes } : { op: "append", items: content as JsonValue[] };
}

/** What a node has written to the channels of its own graph: a command has it inside. */
function ownUpdate(update: unknown): unknown {
  if (!isCommand(update)) return update;
  return update.graph === undefined ? update.update : null;
}

/** The channel values that an update names directly; anything else is recorded by value. */
function plainUpdate(update: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof update !== "object" || update === null || Array.isArray(update)) return null;
  return Object.getPrototypeOf(update) === Object.prototype ? (update as Record<string, unknown>) : null;
}
