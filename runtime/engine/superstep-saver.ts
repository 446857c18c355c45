import type { RunnableConfig } from "@langchain/core/runnables";
import {
  BaseCheckpointSaver,
  type Checkpoint,
  type CheckpointMetadata,
  type CheckpointTuple,
} from "@langchain/langgraph";
import { scopeOf } from "./graph-scope.ts";

/** So many supersteps, and for so long, may follow each other without letting anything else happen. */
const LONGEST_TURN = 16;
const LONGEST_TURN_MS = 5;
const DONE = Promise.resolve();

/** When supersteps last let a turn of the event loop pass (monotonic), and how many there were since. */
let turnMs = 0;
let sinceTurn = 0;

/**
 * Supersteps that call nothing (all of a fast-forward, for one) take no turn of the event loop by themselves: without
 * this, a thousand of them would keep leases from being renewed, and other runs waiting.
 */
export function breathe(): Promise<void> {
  if (++sinceTurn < LONGEST_TURN && performance.now() - turnMs <= LONGEST_TURN_MS) return DONE;
  sinceTurn = 0;
  return new Promise((resolve) => {
    setImmediate(() => {
      turnMs = performance.now();
      resolve();
    });
  });
}

/** Where a checkpoint is to be found, as LangGraph says it. */
export function placeOf(config: RunnableConfig, checkpoint: Checkpoint): RunnableConfig {
  return {
    configurable: {
      thread_id: String(config.configurable?.["thread_id"] ?? ""),
      checkpoint_ns: String(config.configurable?.["checkpoint_ns"] ?? ""),
      checkpoint_id: checkpoint.id,
    },
  };
}

/**
 * LangGraph's checkpointer, used for what it sees and not for what it keeps: the newest checkpoint of each
 * graph of an attempt is held in memory, by reference, by the scope that the config carries. It holds
 * nothing itself.
 */
export class SuperstepSaver extends BaseCheckpointSaver {
  override getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    return Promise.resolve(scopeOf(config)?.channels.tuple);
  }

  override async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
  ): Promise<RunnableConfig> {
    const placed = placeOf(config, checkpoint);
    scopeOf(config)?.channels.put(placed, checkpoint, metadata);
    await breathe();
    return placed;
  }

  override putWrites(): Promise<void> {
    return DONE;
  }

  override async *list(): AsyncGenerator<CheckpointTuple> {
    // The journal is the history; LangGraph is never asked for one.
  }

  override deleteThread(): Promise<void> {
    return Promise.resolve();
  }
}
