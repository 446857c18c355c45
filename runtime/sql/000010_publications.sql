-- What people and services outside have published under an id of theirs: publishing it again changes nothing.
create table publications (
  -- Derived from the publisher, the topic and the id.
  publication_id uuid primary key,
  -- Over what was published: the same id with something else is refused.
  fingerprint    bytea not null check (length(fingerprint) = 32),
  receivers      text[] not null,
  messages       uuid[] not null,
  published_at   timestamptz not null default clock_timestamp()
);

-- Lists of dead letters: those of one agent, and those that somebody has seen to, newest first.
create index dead_letters_open_by_agent on dead_letters (agent, died_at) where settled_at is null;
create index dead_letters_settled on dead_letters (settled_at) where settled_at is not null;
create index quarantined_messages_settled on quarantined_messages (settled_at) where settled_at is not null;
