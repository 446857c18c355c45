-- The newest snapshot of each run that is long and has not ended. Derived from the events, and only believed where
-- an event of the run's own chain names its hash: all rows may be deleted at any time.
create table snapshots (
  run_id   uuid primary key references runs (run_id),
  -- The event that names it.
  seq      int not null,
  data     text not null,
  taken_at timestamptz not null default clock_timestamp()
);
-- Large, replaced as a whole, and read seldom: compressing it would take longer than writing it.
alter table snapshots alter column data set storage external;

-- Whose time to decide is over: without it, each sweep of each worker looked at all that wait.
create index approvals_expiring on approvals (expires_at) where status = 'pending';
