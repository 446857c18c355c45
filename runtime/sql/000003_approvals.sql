-- Held calls that wait for people, and what people decided. Rows follow the events; the events stay
-- the truth.

create table approvals (
  approval_id  uuid primary key,
  run_id       uuid not null references runs (run_id),
  session_id   uuid not null,
  effect       text not null,
  agent        text not null,
  tool         text not null,
  tool_version text not null,
  input        text not null,
  -- SHA-256 over run, effect, tool, version, arguments and rule set: what is shown, decided and run.
  args_hash    text not null,
  verdict      text not null,
  pool         text not null,
  approvers    int not null check (approvers > 0),
  starter_kind text not null,
  starter_id   text not null,
  status       text not null default 'pending'
    check (status in ('pending', 'approved', 'rejected', 'expired', 'consumed', 'void')),
  requested_at timestamptz not null default clock_timestamp(),
  expires_at   timestamptz not null,
  decided_at   timestamptz
);
create index approvals_pending on approvals (requested_at) where status = 'pending';
create index approvals_decided on approvals (decided_at desc) where status <> 'pending';
create index approvals_by_run on approvals (run_id);

-- One word a person: the same person in two tabs counts once.
create table approval_decisions (
  approval_id uuid not null references approvals (approval_id),
  person      text not null,
  decision    text not null check (decision in ('approve', 'reject')),
  reason      text not null,
  at          timestamptz not null default clock_timestamp(),
  primary key (approval_id, person)
);
