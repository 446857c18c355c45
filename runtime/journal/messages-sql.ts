/** A message that nobody has and that may still be brought to somebody. */
const WAITS = "received_at is null and dead_at is null and withdrawn_at is null";

const ARRIVAL = `
select envelope, received_at is not null as received, dead_at is not null or withdrawn_at is not null as over,
  copies > sends as replayed,
  case when from_run is null then case when ${WAITS} then envelope end else (
    select before.envelope from outbox before
    where before.from_run = own.from_run and before.to_agent = own.to_agent and before.place <= own.place
      and before.received_at is null and before.dead_at is null and before.withdrawn_at is null
    order by before.place limit 1) end as first
from own`;

/** What there is of a message ($1), and the first that the same run sent the same agent and nobody has. */
export const LOOK = `with own as (select * from outbox where msg_id = $1) ${ARRIVAL}`;

/** The same, and one copy more has come. */
export const ARRIVED = `
with own as (update outbox set copies = copies + 1 where msg_id = $1 returning *) ${ARRIVAL}`;

/** The first message of a queue that no run has. */
export const FIRST_OF = `
select envelope from outbox where to_agent = $1 and key = $2 and ${WAITS} order by place limit 1`;

/** Puts a message into a run's mailbox. */
export const LEAVE = `
update outbox set received_at = clock_timestamp(), to_run = $2 where msg_id = $1 and ${WAITS} returning msg_id`;

export const MAIL_OF = `
select place, envelope from outbox
where to_run = $1 and taken_at is null and dead_at is null and place > $2
order by place limit $3`;

/** Runs that are ready wait for the agent as much as messages do. Both counts stop at the bound. */
export const ROOM = `
select l.queue - (select count(*) from (
    select 1 from outbox where to_agent = l.agent and taken_at is null and dead_at is null limit l.queue) waiting)
  - (select count(*) from (
    select 1 from runs where agent = l.agent and status = 'ready' limit l.queue) ready) as room
from listeners l where l.agent = $1`;

/**
 * Whether a message ($1) has come to the run ($2) from that agent ($3) and run ($4); that the run has taken it need not
 * be on disk yet.
 */
export const MAY_REPLY = `
select exists (
  select 1 from outbox where msg_id = $1 and from_agent = $3 and from_run = $4
    and (to_run = $2 or envelope::json #>> '{envelope,target}' = $2::text)) as may`;

/**
 * Counts a try that failed. Several copies, and what the sender sent after it, make for several tries at once: they
 * count as one, so that a message is given time.
 */
export const FAILED = `
update outbox set
  tries = tries + (tried_at is null or tried_at < clock_timestamp() - interval '100 milliseconds' * 2 ^ least(tries, 10))::int,
  tried_at = case when tried_at is null or tried_at < clock_timestamp() - interval '100 milliseconds' * 2 ^ least(tries, 10)
    then clock_timestamp() else tried_at end
where msg_id = $1 returning tries`;

export const BURY = `
with buried as (
  update outbox set dead_at = clock_timestamp() where msg_id = $1 and dead_at is null and taken_at is null
  returning msg_id, to_agent, tries
)
insert into dead_letters (msg_id, agent, reason, detail, tries)
select msg_id, to_agent, $2, $3, tries from buried`;

/** The same thing again is counted. At most $7 are kept that nobody has looked at. */
export const QUARANTINE = `
insert into quarantined_messages (fingerprint, reason, detail, subject, bytes, text)
select $1, $2, $3, $4, $5, $6
where exists (select 1 from quarantined_messages where fingerprint = $1)
  or (select count(*) from (select 1 from quarantined_messages where settled_at is null limit $7) open) < $7
on conflict (fingerprint) do update set times = quarantined_messages.times + 1, last_at = clock_timestamp(),
  settled_at = null`;

/**
 * What lies in the mailbox of a run ($1) that has ended and was not received: messages of a queue go back to it, in
 * their order; those that were for this run alone are dead letters.
 */
export const CLOSE_MAILBOX = `
with left_over as (
  update outbox set to_run = null,
    received_at = case when key is null then received_at end,
    resend_at = clock_timestamp(),
    dead_at = case when key is null then clock_timestamp() end
  where to_run = $1 and taken_at is null and dead_at is null
  returning msg_id, to_agent, tries, dead_at
)
insert into dead_letters (msg_id, agent, reason, detail, tries)
select msg_id, to_agent, 'run_ended', 'The run ' || $1 || ', which it was for, has ended without receiving it.', tries
from left_over where dead_at is not null`;

export const STILL_WAITS = `select 1 from outbox where msg_id = $1 and ${WAITS}`;

export const RENEW_BUDGET = "update message_budgets set sent = 0 where session_id = $1";

/** What is left is at least what the session of a message had left ($2). */
export const RAISE_BUDGET = `
update message_budgets set budget = greatest(budget, sent + $2::int) where session_id = $1`;
