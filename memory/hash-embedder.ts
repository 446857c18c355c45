import type { Embedder } from "../runtime/core/memory.ts";
import { features } from "./text-features.ts";

const HASH_EMBEDDER_DIMS = 512;

/**
 * The embedder that needs no model, no download and no network: words, word pairs and character
 * n-grams, hashed into a vector with the sign of another bit of the hash, so that features that fall
 * into one place cancel rather than add up (feature hashing: Weinberger et al., 2009). It sees shared
 * words and spellings, not meanings: "car" and "automobile" are strangers to it.
 *
 * The same text gives the same vector on every machine and in every release: a change to the features
 * or weights needs a new model name.
 */
export const hashEmbedder: Embedder = {
  model: "signalbox-hash-512",
  dims: HASH_EMBEDDER_DIMS,
  embed: (texts) => Promise.resolve(texts.map(embedText)),
};

function embedText(text: string): number[] {
  const vector = new Array<number>(HASH_EMBEDDER_DIMS).fill(0);
  for (const [feature, weight] of features(text)) {
    const hash = hash32(feature);
    const place = hash % HASH_EMBEDDER_DIMS;
    vector[place] = (vector[place] ?? 0) + (hash >>> 31 === 1 ? -weight : weight);
  }
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  // Features that cancel each other out completely leave nothing to compare: such a text gets a place of its own.
  if (length === 0) return vector.map((_, i) => (i === hash32(text) % HASH_EMBEDDER_DIMS ? 1 : 0));
  return vector.map((value) => value / length);
}

/** FNV-1a over UTF-16 code units, finished as in MurmurHash3 so that every bit depends on every letter. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
