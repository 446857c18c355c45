-- Lists: with whatever filter, a page is read from an index in the order of the list, so that it costs what it shows and
-- not what there ever was. Where a filter is left out that an index begins with, the list is put together from one
-- look for each value of it.

-- All of it goes backwards as well as forwards only where no column goes the other way.
drop index runs_roots_newest;
create index runs_roots_newest on runs (started_at, run_id) where parent_id is null;
create index runs_roots_by_status on runs (status, started_at, run_id) where parent_id is null;
create index runs_roots_by_agent on runs (agent, status, started_at, run_id) where parent_id is null;

create index runs_open on runs (status, started_at, run_id)
  where status in ('ready', 'running', 'parked', 'quarantined');
-- Versions, because whether a run would not go on depends on them.
create index runs_open_by_agent on runs (agent, agent_version, status, started_at, run_id)
  where status in ('ready', 'running', 'parked', 'quarantined');

drop index approvals_pending;
create index approvals_pending on approvals (requested_at, approval_id) where status = 'pending';
drop index approvals_decided;
create index approvals_decided on approvals (decided_at, approval_id) where status <> 'pending';

drop index questions_open;
create index questions_open on questions (asked_at, question_id) where status = 'open';
create index questions_past on questions (coalesce(answered_at, asked_at), question_id) where status <> 'open';

drop index doubts_open;
create index doubts_open on doubts (since, run_id, effect) where resolved_at is null;

drop index dead_letters_open;
drop index dead_letters_open_by_agent;
create index dead_letters_open on dead_letters (reason, died_at, id) where settled_at is null;
create index dead_letters_open_by_agent on dead_letters (agent, reason, died_at, id) where settled_at is null;
create index dead_letters_all on dead_letters (reason, died_at, id);
create index dead_letters_all_by_agent on dead_letters (agent, reason, died_at, id);

drop index quarantined_messages_open;
create index quarantined_messages_open on quarantined_messages (first_at, id) where settled_at is null;
create index quarantined_messages_all on quarantined_messages (first_at, id);
