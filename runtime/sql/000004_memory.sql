-- Shared memory: texts with their vectors, found again by meaning.

-- The extension's own messages do not say what to do. SQLSTATE SB001: not there; SB002: not allowed.
do $$
begin
  create extension if not exists vector;
exception
  when feature_not_supported or undefined_file then
    raise exception using
      errcode = 'SB001',
      message = 'This Postgres server has no pgvector.',
      hint = 'Install it on the server (Debian and Ubuntu: the package postgresql-NN-pgvector, NN being the server''s version; Docker: the image pgvector/pgvector:pg17), then run "npx signalbox migrate" again.';
  when insufficient_privilege then
    raise exception using
      errcode = 'SB002',
      message = format('The database user "%s" may not create the extension "vector" (pgvector).', current_user),
      hint = 'As a superuser, run "create extension vector" once in this database, then run "npx signalbox migrate" again.';
end $$;

-- HNSW came with pgvector 0.5.
do $$
declare
  version text := (select extversion from pg_extension where extname = 'vector');
begin
  if string_to_array(substring(version from '^[0-9.]+'), '.')::int[] < array[0, 5] then
    raise exception using
      errcode = 'SB001',
      message = format('pgvector %s is too old: 0.5 or newer is needed.', version),
      hint = 'Install a newer pgvector on the server, run "alter extension vector update" in this database, then "npx signalbox migrate" again.';
  end if;
end $$;

-- Which embedder a namespace belongs to. Written with its first memory and never changed: vectors of
-- two embedders cannot be compared. Namespaces are compared byte by byte, so no two spellings meet.
create table memory_namespaces (
  namespace  text collate "C" primary key check (namespace <> ''),
  model      text not null,
  dims       int not null check (dims > 0),
  created_at timestamptz not null default clock_timestamp()
);

-- A memory is never changed: it is superseded by another, or revoked. `data` is canonical JSON as text.
-- `embedding` has no fixed length, so that other embedders than the built-in one need no other table;
-- each length that is used at scale gets an index of its own.
create table memories (
  id             uuid primary key,
  namespace      text collate "C" not null references memory_namespaces (namespace),
  text           text not null,
  data           text not null,
  embedding      vector not null,
  model          text not null,
  dims           int not null,
  written_run    text not null,
  written_effect text not null,
  created_at     timestamptz not null default clock_timestamp(),
  revoked_at     timestamptz,
  check (vector_dims(embedding) = dims)
);

create index memories_by_namespace on memories (namespace, created_at);
create index memories_nearest_512 on memories
  using hnsw ((embedding::vector(512)) vector_cosine_ops)
  where dims = 512;
