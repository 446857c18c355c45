import {
  BaseCheckpointSaver,
  type Checkpoint,
  type CheckpointMetadata,
  type CheckpointTuple,
} from "@langchain/langgraph";
import type { RunnableConfig } from "@langchain/core/runnables";
import { canonicalJson, sha256 } from "../core/canonical.ts";
import type { ChannelChange } from "../core/events.ts";
import type { JsonValue } from "../core/json.ts";
import { superstepKey } from "../core/run-record.ts";
import type { Attempt } from "./attempt.ts";
import { encode } from "./codec.ts";
import { NonDeterminismError } from "./errors.ts";

/** What one graph's channels were after the superstep before, by reference. */
interface Tracked {
  readonly attempt: Attempt;
  /** What node executions of the superstep under way wrote, decoded, in the order of their ends. */
  writes: { readonly node: string; readonly update: Readonly<Record<string, unknown>> }[];
  tuple: CheckpointTuple | undefined;
  readonly channels: Map<string, Seen>;
  hash: string;
}

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
 * LangGraph's checkpointer, used for what it sees and not for what it keeps: it holds the newest
 * checkpoint of each attempt in memory, by reference, and writes into the journal how each superstep
 * changed the channels. In fast-forward it compares instead.
 *
 * An append to an array is recorded as an append, and a value that a node's recorded update already holds
 * is recorded as a reference to it, so that a superstep costs what it changed and not what the state holds.
 */
export class SuperstepSaver extends BaseCheckpointSaver {
  readonly #tracked = new Map<string, Tracked>();
  readonly #stateChannels: ReadonlySet<string>;

  constructor(stateChannels: Iterable<string>) {
    super();
    this.#stateChannels = new Set(stateChannels);
  }

  /** @returns the thread id under which LangGraph is to run this attempt. */
  begin(attempt: Attempt): string {
    const thread = `${attempt.head.run}/${String(attempt.head.epoch)}`;
    this.#tracked.set(thread, { attempt, writes: [], tuple: undefined, channels: new Map(), hash: NO_CHANNELS });
    return thread;
  }

  end(thread: string): void {
    this.#tracked.delete(thread);
  }

  /** A node execution has ended with this update, live or from the record. */
  wrote(attempt: Attempt, node: string, update: unknown): void {
    const tracked = this.#tracked.get(`${attempt.head.run}/${String(attempt.head.epoch)}`);
    const plain = plainUpdate(update);
    if (plain) tracked?.writes.push({ node, update: plain });
  }

  override getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    if (nested(config)) return Promise.resolve(undefined);
    return Promise.resolve(this.#tracked.get(threadOf(config))?.tuple);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is to reach LangGraph as a rejection
  override async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
  ): Promise<RunnableConfig> {
    const placed = {
      configurable: {
        thread_id: threadOf(config),
        checkpoint_ns: String(config.configurable?.["checkpoint_ns"] ?? ""),
        checkpoint_id: checkpoint.id,
      },
    };
    const tracked = this.#tracked.get(threadOf(config));
    if (tracked && !nested(config) && !tracked.attempt.over) {
      tracked.tuple = { config: placed, checkpoint, metadata };
      this.#record(tracked, checkpoint, metadata.step);
    }
    return placed;
  }

  #record(tracked: Tracked, checkpoint: Checkpoint, step: number): void {
    const { attempt } = tracked;
    const { channel_values: values, channel_versions: versions } = checkpoint;
    const writes = tracked.writes.sort((a, b) => (a.node < b.node ? -1 : 1));
    tracked.writes = [];
    const input = step === -1 ? plainUpdate(attempt.input) : null;
    if (input) writes.push({ node: "input", update: input });
    const changes: Record<string, ChannelChange> = {};
    const hashed: Record<string, JsonValue> = {};
    for (const channel of this.#stateChannels) {
      if (!(channel in values)) continue;
      const value = values[channel];
      const before = tracked.channels.get(channel);
      const seen: Seen = { value, length: Array.isArray(value) ? value.length : -1, version: versions[channel] };
      if (before && isUnchanged(before, seen)) {
        if (before.length !== seen.length) throw changedInPlace(attempt, channel);
        continue;
      }
      tracked.channels.set(channel, seen);
      const tail = appended(before, value);
      const content = encode(tail ?? value);
      hashed[channel] = tail ? { append: content } : { set: content };
      changes[channel] = tail
        ? appendChange(channel, tail, content, writes)
        : setChange(channel, value, content, writes);
    }
    // LangGraph's first checkpoint, before the input has been taken in, is worth an event only if channels have defaults.
    if (step === -1 && Object.keys(changes).length === 0) return;
    tracked.hash = sha256(`${tracked.hash}\n${canonicalJson(hashed)}`);
    const recorded = attempt.record.supersteps.get(superstepKey("", step));
    if (recorded === undefined) {
      attempt.append([{ type: "superstep_finished", data: { graph: "", step, changes, channels: tracked.hash } }]);
    } else if (recorded !== tracked.hash) {
      throw new NonDeterminismError(
        `The state of ${attempt.head.agent} after superstep ${String(step)} is not what the record says, although every node gave its recorded update. A reducer depends on something that is not recorded, or has changed while the run waited.`,
        { details: { run: attempt.head.run, step } },
      );
    }
  }

  override putWrites(): Promise<void> {
    return Promise.resolve();
  }

  override async *list(): AsyncGenerator<CheckpointTuple> {
    // The journal is the history; LangGraph is never asked for one.
  }

  override deleteThread(thread: string): Promise<void> {
    this.end(thread);
    return Promise.resolve();
  }
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
  for (let i = 0; i < before.length; i++) if (!Object.is(value[i], before.value[i])) return null;
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

/** The channel values that an update names directly; anything else is recorded by value. */
function plainUpdate(update: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof update !== "object" || update === null || Array.isArray(update)) return null;
  return Object.getPrototypeOf(update) === Object.prototype ? (update as Record<string, unknown>) : null;
}

function threadOf(config: RunnableConfig): string {
  return String(config.configurable?.["thread_id"] ?? "");
}

/** True for the graphs inside a node: their node is recorded as a whole. */
function nested(config: RunnableConfig): boolean {
  const namespace: unknown = config.configurable?.["checkpoint_ns"];
  return typeof namespace === "string" && namespace !== "";
}
