-- Messages that go one way: their order, the run that has them in its mailbox, and what could not be brought to anybody.

alter table outbox
  -- The order in which messages were written: of one sender, the order in which it sent them.
  add column place bigint generated always as identity,
  add column kind text not null default 'ask',
  add column from_agent text not null default '',
  add column from_run uuid,
  -- With the receiving agent it names a queue. A run that has the queue gets its messages, one after the other.
  add column key text,
  -- In whose mailbox it lies.
  add column to_run uuid,
  -- When its receiver had it on record. For what starts a run, that is when it was received.
  add column taken_at timestamptz,
  -- How often bringing it failed, not counting what was wrong with a server, and when it last did.
  add column tries int not null default 0,
  add column tried_at timestamptz,
  add column dead_at timestamptz,
  -- How often it was published, and how many of these copies have come.
  add column sends int not null default 1,
  add column copies int not null default 0;

drop index outbox_unreceived;
create index outbox_unreceived on outbox (resend_at) where received_at is null and dead_at is null;
create index outbox_of_sender on outbox (from_run, to_agent, place) where received_at is null and dead_at is null;
create index outbox_of_queue on outbox (to_agent, key, place) where received_at is null and dead_at is null;
create index outbox_in_mailbox on outbox (to_run, place) where taken_at is null and dead_at is null;
create index outbox_waiting on outbox (to_agent) where taken_at is null and dead_at is null;
-- Asks and answers are done with once they are received.
update outbox set taken_at = received_at;

-- Which run has the queue of a key. A row is locked by whoever brings a message there, and by the end of that run,
-- which removes it.
create table message_queues (
  agent  text not null,
  key    text not null,
  run_id uuid,
  primary key (agent, key)
);
create index message_queues_by_run on message_queues (run_id) where run_id is not null;

-- What each agent listens to, as its newest worker said, and when a worker last said so.
create table listeners (
  agent   text primary key,
  topics  text[] not null,
  queue   int not null,
  seen_at timestamptz not null default clock_timestamp()
);

-- How many messages a session has sent, and how many it may.
create table message_budgets (
  session_id uuid primary key,
  sent       int not null default 0,
  budget     int not null
);

-- Messages that are not tried any more. A message that is sent once more and fails again has a second row.
create table dead_letters (
  id             uuid primary key default gen_random_uuid(),
  msg_id         uuid not null references outbox (msg_id),
  agent          text not null,
  reason         text not null,
  detail         text not null,
  tries          int not null,
  died_at        timestamptz not null default clock_timestamp(),
  settled_at     timestamptz,
  settlement     text check (settlement in ('redriven', 'dropped')),
  settled_by     text,
  settled_reason text
);
create index dead_letters_open on dead_letters (died_at) where settled_at is null;
create index dead_letters_by_message on dead_letters (msg_id);

-- What came on a receiver's subject and was not taken for a message. `text` is its beginning.
create table quarantined_messages (
  id             uuid primary key default gen_random_uuid(),
  -- The same thing again is counted.
  fingerprint    bytea not null unique check (length(fingerprint) = 32),
  reason         text not null,
  detail         text not null,
  subject        text not null,
  bytes          int not null,
  text           text not null,
  first_at       timestamptz not null default clock_timestamp(),
  last_at        timestamptz not null default clock_timestamp(),
  times          int not null default 1,
  settled_at     timestamptz,
  settled_by     text,
  settled_reason text
);
create index quarantined_messages_open on quarantined_messages (first_at) where settled_at is null;
