export { hashEmbedder } from "./hash-embedder.ts";
export { createMemoryStore } from "./pgvector-store.ts";
