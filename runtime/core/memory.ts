import type { JsonObject } from "./json.ts";

/** Something remembered. `score` is cosine similarity, 0 to 1, where it was found by meaning. */
export interface MemoryItem {
  readonly id: string;
  readonly namespace: string;
  readonly text: string;
  readonly data: JsonObject;
  readonly score?: number;
}

export interface RememberInput {
  readonly namespace: string;
  readonly text: string;
  readonly data?: JsonObject;
}

export interface RecallInput {
  readonly namespace: string;
  readonly query: string;
  /** At most this many, best first. */
  readonly limit?: number;
  /** Leave out what is less similar than this. */
  readonly minScore?: number;
}

/** Where memories live. The engine calls it through the gate only. */
export interface MemoryStore {
  /** Writes one memory. Repeating with the same `id` changes nothing, so it is idempotent. */
  remember(id: string, input: RememberInput, author: { readonly run: string; readonly effect: string }): Promise<void>;
  recall(input: RecallInput): Promise<MemoryItem[]>;
}

/** Turns texts into unit vectors of a fixed length. */
export interface Embedder {
  readonly model: string;
  readonly dims: number;
  embed(texts: readonly string[]): Promise<number[][]>;
}
