-- Turns are handed out in the order in which they were asked for.

alter table turns
  -- Its place in the queue.
  add column asked bigint generated always as identity,
  -- How many may have a turn at once, as whoever asked says.
  add column at_most int not null default 1,
  -- waiting: in the queue. offered: kept for it until `held_until`, its run is woken. taken: it has it until then, at
  -- the latest. away: it did not come for what was offered; it keeps its place for when it does.
  add column state text not null default 'taken' check (state in ('waiting', 'offered', 'taken', 'away')),
  -- Of an offer: its run has been woken.
  add column told boolean not null default false,
  alter column held_until drop not null;
alter table turns alter column state drop default, alter column at_most drop default;

create index turns_queue on turns (of, asked) where state = 'waiting';
create index turns_held on turns (of, held_until) where state in ('offered', 'taken');
-- What is over although nobody gave it back.
create index turns_until on turns (held_until) where state <> 'waiting';
create index turns_untold on turns (of) where state = 'offered' and not told;

-- Whoever looks for suspects looks for those of its own agents and versions, however many others have.
drop index runs_suspect;
create index runs_suspect on runs (agent, agent_version, ready_at) where status = 'ready' and crashes > 0;
