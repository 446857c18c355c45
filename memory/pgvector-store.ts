import { toSql } from "pgvector";
import { z } from "zod";
import { canonicalJson } from "../runtime/core/canonical.ts";
import type { Database, Sql } from "../runtime/core/database.ts";
import type { JsonObject } from "../runtime/core/json.ts";
import type { Embedder, MemoryItem, MemoryStore, RecallInput, RememberInput } from "../runtime/core/memory.ts";
import { EmbedderFaultError, EmbedderMismatchError } from "./errors.ts";
import { checkRecall, checkRemember } from "./limits.ts";
import { nearestSql, REMEMBER_SQL } from "./queries.ts";

export interface MemoryStoreOptions {
  readonly database: Database;
  readonly embedder: Embedder;
}

/** What a namespace was first written with. */
interface Space {
  readonly model: string;
  readonly dims: number;
}

/**
 * Memories in Postgres, found again by cosine similarity through pgvector.
 *
 * `remember` may be repeated: the same id is written once. Both methods throw {@link InvalidMemoryError}
 * for what cannot be remembered or recalled, {@link EmbedderMismatchError} for a namespace that another
 * embedder wrote, {@link EmbedderFaultError} for an embedder that misbehaves, and whatever the database
 * port throws.
 */
export function createMemoryStore({ database, embedder }: MemoryStoreOptions): MemoryStore {
  const nearest = nearestSql(embedder.dims);
  return {
    async remember(id, input, author) {
      checkRemember(id, input);
      const vector = await embed(embedder, input.text);
      const space = await write(database, embedder, id, input, vector, author);
      if (!isOf(embedder, space)) throw mismatch(embedder, input.namespace, space);
    },
    async recall(input) {
      const limit = checkRecall(input);
      const [space] = await database.query<Space>(
        "select model, dims from memory_namespaces where namespace = $1",
        [input.namespace],
        "memory_namespace",
      );
      if (!space) return [];
      if (!isOf(embedder, space)) throw mismatch(embedder, input.namespace, space);
      const vector = await embed(embedder, input.query);
      return database.transaction((sql) => search(sql, nearest, input, vector, limit));
    },
  };
}

async function write(
  database: Database,
  embedder: Embedder,
  id: string,
  input: RememberInput,
  vector: readonly number[],
  author: { readonly run: string; readonly effect: string },
): Promise<Space> {
  const values = [
    id,
    input.namespace,
    input.text,
    canonicalJson(input.data ?? {}),
    toSql([...vector]),
    embedder.model,
    embedder.dims,
    author.run,
    author.effect,
  ];
  const [first] = await database.query<Space>(REMEMBER_SQL, values, "memory_remember");
  if (first) return first;
  // Somebody else made the namespace while the statement ran: it did not see theirs and did not make
  // its own. A new statement sees it, and a namespace never goes away.
  const [second] = await database.query<Space>(REMEMBER_SQL, values, "memory_remember");
  if (second) return second;
  throw new Error(`The namespace "${input.namespace}" could be neither made nor found.`);
}

const rowSchema = z.object({ id: z.string(), text: z.string(), data: z.string(), score: z.number() });

async function search(
  sql: Sql,
  nearest: string,
  { namespace, minScore }: RecallInput,
  vector: readonly number[],
  limit: number,
): Promise<MemoryItem[]> {
  await prepareScan(sql);
  const values = [namespace, toSql([...vector]), limit, minScore ?? 0];
  const rows = await sql.query(nearest, values, `memory_nearest_${String(vector.length)}`);
  return rows.map((row) => {
    const { id, text, data, score } = rowSchema.parse(row);
    return { id, namespace, text, data: JSON.parse(data) as JsonObject, score };
  });
}

/**
 * An HNSW scan stops after `hnsw.ef_search` rows, whatever the filter leaves of them: a small namespace
 * among large ones would come back empty. From 0.8 on pgvector can go on scanning until the limit is
 * reached. Before that we do without the index, which is slower and always right.
 */
async function prepareScan(sql: Sql): Promise<void> {
  await sql.query(
    `select case
       when string_to_array(substring(extversion from '^[0-9.]+'), '.')::int[] >= array[0, 8]
       then set_config('hnsw.iterative_scan', 'strict_order', true)
       else set_config('enable_indexscan', 'off', true)
     end
     from pg_extension where extname = 'vector'`,
    [],
    "memory_prepare_scan",
  );
}

async function embed(embedder: Embedder, text: string): Promise<number[]> {
  const vectors = await embedder.embed([text]);
  const vector = vectors[0];
  if (vectors.length !== 1 || vector?.length !== embedder.dims || !vector.every(Number.isFinite)) {
    throw new EmbedderFaultError(
      `The embedder "${embedder.model}" did not return one vector of ${String(embedder.dims)} finite numbers for one text. Check its configuration: the model must be the one that it names, with that many dimensions.`,
      { details: { model: embedder.model, dims: embedder.dims } },
    );
  }
  return vector;
}

function isOf(embedder: Embedder, space: Space): boolean {
  return space.model === embedder.model && space.dims === embedder.dims;
}

function mismatch(embedder: Embedder, namespace: string, space: Space): EmbedderMismatchError {
  return new EmbedderMismatchError(
    `The memory namespace "${namespace}" was written with the embedder "${space.model}" (${String(space.dims)} dimensions), and "${embedder.model}" (${String(embedder.dims)}) cannot search it. Configure "${space.model}" again, or use another namespace.`,
    {
      details: {
        namespace,
        written: { model: space.model, dims: space.dims },
        configured: { model: embedder.model, dims: embedder.dims },
      },
    },
  );
}
