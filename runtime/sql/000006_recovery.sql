-- Runs that somebody wants ended, runs that crash workers, versions of agents, and turns at tools.

alter table runs drop constraint runs_status_check;
alter table runs add constraint runs_status_check
  check (status in ('ready', 'running', 'parked', 'quarantined', 'finished', 'failed', 'cancelled'));

alter table runs
  -- From when on any worker may end it, whether it has the agent's code or not: its deadline, or when it was cancelled.
  add column stop_at timestamptz,
  -- Leases that ran out since it last reached a park or an end, and those of them that a worker had which did
  -- nothing else.
  add column crashes int not null default 0,
  add column solo_crashes int not null default 0,
  -- Whoever has it now does nothing else.
  add column alone boolean not null default false;

-- A worker claims what it has the code for. A run has no version ('') until a worker has taken it for the first time.
drop index runs_ready;
create index runs_ready on runs (agent, agent_version, ready_at) where status = 'ready';
create index runs_to_stop on runs (stop_at) where status = 'ready' and stop_at is not null;
create index runs_suspect on runs (ready_at) where status = 'ready' and crashes > 0;

alter table workers
  add column versions text[] not null default '{}',
  -- How long a run stays its without a sign of life: it gives one at least three times as often.
  add column lease_ms int not null default 0;

-- Taken back by its sender, which has ended: it is not to be received any more.
alter table outbox add column withdrawn_at timestamptz;

-- Who has a turn at something that only so many may use at once. A row whose time is over counts no more: whoever
-- had it is gone.
create table turns (
  of          text not null,
  run_id      uuid not null,
  effect      text not null,
  held_until  timestamptz not null,
  primary key (of, run_id, effect)
);
