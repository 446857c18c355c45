-- The journal: runs, their events, and what other people's transactions leave for them.

create table runs (
  run_id        uuid primary key,
  session_id    uuid not null,
  parent_id     uuid,
  agent         text not null,
  agent_version text not null,
  start_key     text,
  starter_kind  text not null,
  starter_id    text not null,
  depth         int not null,
  status        text not null
    check (status in ('ready', 'running', 'parked', 'finished', 'failed', 'cancelled')),
  -- Every claim raises the epoch: what an earlier holder of the lease still sends is refused.
  epoch         int not null default 0,
  head_seq      int not null,
  head_hash     bytea not null,
  mailbox_seq   bigint not null default 0,
  mailbox_taken bigint not null default 0,
  lease_owner   text,
  lease_until   timestamptz,
  -- From when on it may be claimed, if it is ready. While somebody works on it: when the first message since then
  -- came, or infinity.
  ready_at      timestamptz not null default clock_timestamp(),
  wake_at       timestamptz,
  -- What the last parking event says, for lists.
  waits         text not null default '[]',
  started_at    bigint not null,
  ended_at      bigint
) with (fillfactor = 50); -- room for the head to move within the page, without touching any index

-- A key starts an agent once.
create unique index runs_by_start_key on runs (agent, start_key) where start_key is not null;
create index runs_by_session on runs (session_id);
create index runs_roots_newest on runs (started_at desc, run_id) where parent_id is null;
create index runs_ready on runs (agent, ready_at) where status = 'ready';
create index runs_leased on runs (lease_until) where status = 'running';
create index runs_timed on runs (wake_at) where status = 'parked' and wake_at is not null;

-- `data` is the exact canonical text that was hashed, so it is text and not jsonb (which refuses NUL,
-- drops duplicate keys and reorders). `hash` chains over the run; the payload is hashed apart, with a
-- salt where it holds personal data, so that it can be erased and the chain still be checked: then
-- `payload_hash` stands for it.
create table events (
  run_id       uuid not null,
  seq          int not null,
  type         text not null,
  v            smallint not null,
  at           bigint not null,
  data         text,
  salt         bytea,
  payload_hash bytea,
  hash         bytea not null,
  primary key (run_id, seq),
  check (data is not null or payload_hash is not null)
);

-- Payloads too large for a row of events, by the SHA-256 of their text.
create table blobs (
  hash  bytea primary key,
  data  text not null
);

-- What others tell a run: only the holder of the lease appends, everybody else leaves a message here
-- and raises runs.mailbox_seq in the same short transaction.
create table run_mailbox (
  run_id     uuid not null references runs (run_id),
  seq        bigint not null,
  msg_id     text not null,
  kind       text not null,
  data       text not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (run_id, msg_id)
);
create index run_mailbox_in_order on run_mailbox (run_id, seq);

-- Messages to other agents, written with the events that caused them and published after the commit.
create table outbox (
  msg_id      uuid primary key,
  to_agent    text not null,
  envelope    text not null,
  created_at  timestamptz not null default clock_timestamp(),
  received_at timestamptz,
  -- When a message that nobody has received is sent again: without it every worker would send every such
  -- message at every sweep, and a hundred that nobody takes would keep all later ones waiting.
  resend_at   timestamptz not null default clock_timestamp() + interval '3 seconds'
);
create index outbox_unreceived on outbox (resend_at) where received_at is null;

-- Calls with a recorded start and no recorded end that a person has to settle. A view of the events.
create table doubts (
  run_id      uuid not null,
  effect      text not null,
  session_id  uuid not null,
  effect_id   text not null,
  agent       text not null,
  tool        text not null,
  input       text not null,
  reason      text not null,
  since       timestamptz not null default clock_timestamp(),
  resolved_at timestamptz,
  primary key (run_id, effect)
);
create index doubts_open on doubts (since) where resolved_at is null;

-- Worker processes: who vouches for the messages that they send, and who is alive.
create table workers (
  worker_id  text primary key,
  public_key text not null,
  agents     text[] not null,
  started_at timestamptz not null default clock_timestamp(),
  seen_at    timestamptz not null default clock_timestamp()
);

-- Every rule set that ever judged a call, so that its verdicts can be recomputed.
create table rule_sets (
  hash      text primary key,
  content   text not null,
  loaded_at timestamptz not null default clock_timestamp()
);
