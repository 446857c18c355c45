import type { RunnableConfig } from "@langchain/core/runnables";
import {
  BaseCheckpointSaver,
  type Checkpoint,
  type CheckpointMetadata,
  type CheckpointTuple,
} from "@langchain/langgraph";
import { scopeOf } from "./graph-scope.ts";

/** For so long supersteps may follow each other without letting anything else happen. */
const LONGEST_TURN_MS = 5;

/**
 * LangGraph's checkpointer, used for what it sees and not for what it keeps: the newest checkpoint of each
 * graph of an attempt is held in memory, by reference, by the scope that the config carries. It holds
 * nothing itself.
 */
export class SuperstepSaver extends BaseCheckpointSaver {
  /** When it last let a turn of the event loop pass (monotonic). */
  #turnMs = 0;

  override getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    return Promise.resolve(scopeOf(config)?.channels.tuple);
  }

  override async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
  ): Promise<RunnableConfig> {
    const placed = {
      configurable: {
        thread_id: String(config.configurable?.["thread_id"] ?? ""),
        checkpoint_ns: String(config.configurable?.["checkpoint_ns"] ?? ""),
        checkpoint_id: checkpoint.id,
      },
    };
    scopeOf(config)?.channels.put(placed, checkpoint, metadata);
    // Supersteps that call nothing (all of a fast-forward, for one) take no turn of the event loop by themselves: without
    // this, a thousand of them would keep leases from being renewed, and other runs waiting.
    if (performance.now() - this.#turnMs > LONGEST_TURN_MS) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#turnMs = performance.now();
    }
    return placed;
  }

  override putWrites(): Promise<void> {
    return Promise.resolve();
  }

  override async *list(): AsyncGenerator<CheckpointTuple> {
    // The journal is the history; LangGraph is never asked for one.
  }

  override deleteThread(): Promise<void> {
    return Promise.resolve();
  }
}
