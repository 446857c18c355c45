/**
 * Writes a memory once, and the namespace with the first one. Returns which embedder the namespace
 * belongs to; writes nothing where that is another one. No row: somebody made the namespace meanwhile.
 *
 * $1 id, $2 namespace, $3 text, $4 data, $5 embedding, $6 model, $7 dims, $8 run, $9 effect.
 */
export const REMEMBER_SQL = `
  with made as (
    insert into memory_namespaces (namespace, model, dims) values ($2::text, $6::text, $7::int)
    on conflict (namespace) do nothing
    returning namespace, model, dims
  ), space as (
    select model, dims from made
    union all
    select model, dims from memory_namespaces where namespace = $2
  ), written as (
    insert into memories (id, namespace, text, data, embedding, model, dims, written_run, written_effect)
    select $1::uuid, $2, $3::text, $4::text, $5::vector, space.model, space.dims, $8::text, $9::text
    from space where space.model = $6 and space.dims = $7
    on conflict (id) do nothing
  )
  select model, dims from space limit 1`;

/**
 * The nearest memories of one namespace. The length of the vectors is written into the statement,
 * because an index over one length is only used where the planner sees that length.
 *
 * $1 namespace, $2 query vector, $3 limit, $4 least score.
 */
export function nearestSql(dims: number): string {
  const length = String(Math.trunc(dims));
  return `
    select id, text, data, score from (
      select id, text, data, created_at,
        greatest(0, 1 - ((embedding::vector(${length})) <=> $2::vector(${length}))) as score
      from memories
      where namespace = $1 and dims = ${length} and revoked_at is null
      order by (embedding::vector(${length})) <=> $2::vector(${length})
      limit $3
    ) nearest
    where score >= $4
    order by score desc, created_at desc, id`;
}
