import type { Take } from "../core/journal.ts";

const NOW_MS = "(extract(epoch from clock_timestamp()) * 1000)::bigint";
const ENDED = "('finished', 'failed', 'cancelled')";

/**
 * Runs that are created with what they did first, as they are after it: what a run inserted as running would have become
 * by the update of `moved`. One that is there already stays as it is: it was inserted by a commit whose answer was lost.
 *
 * $18..$29: one element a run that is created; each is among $1 as well.
 */
const CREATED = `, created as (
  insert into runs (run_id, session_id, parent_id, agent, agent_version, starter_kind, starter_id, depth, started_at,
    stop_at, epoch, head_seq, head_hash, mailbox_taken, status, waits, wake_at, ready_at, lease_owner, lease_until, ended_at)
  select n.run_id, n.session_id, n.parent_id, n.agent, n.agent_version, n.starter_kind, n.starter_id, n.depth, n.started_at,
    n.stop_at, b.epoch, b.to_seq, b.to_hash, coalesce(b.mailbox_taken, 0), coalesce(b.status, 'running'),
    coalesce(b.waits, '[]'),
    case when b.status is not null then b.wake_at end,
    case when b.status is null then 'infinity' else clock_timestamp() end,
    case when b.status is null then n.lease_owner end,
    case when b.status is null then clock_timestamp() + n.lease_ms * interval '1 millisecond' end,
    case when b.status in ${ENDED} then ${NOW_MS} end
  from unnest($18::uuid[], $19::uuid[], $20::uuid[], $21::text[], $22::text[], $23::text[], $24::text[], $25::int[],
      $26::bigint[], $27::timestamptz[], $28::text[], $29::float8[])
    as n(run_id, session_id, parent_id, agent, agent_version, starter_kind, starter_id, depth, started_at, stop_at,
      lease_owner, lease_ms)
  join batch b using (run_id)
  on conflict (run_id) do nothing
  returning run_id, status
)`;

/**
 * Appends for any number of runs in one statement. Rows are locked in key order, so batches of several
 * writers never deadlock; a row that is locked already is skipped and reported, so it delays nobody.
 * The compare-and-set is on the epoch and the head's sequence number and hash. A run that would park
 * although its mailbox has moved becomes ready instead: no wake is lost. Where this holder of the lease is
 * refused, it is told the head that is there: perhaps its own, from a commit whose answer was lost.
 *
 * $1..$10: one element a run, and no run twice; $11..$16: one element an event; $17: their payloads, one a line.
 */
const appendOf = (created: "" | typeof CREATED): string => `
with batch as (
  select * from unnest($1::uuid[], $2::int[], $3::int[], $4::bytea[], $5::int[], $6::bytea[], $7::text[], $8::timestamptz[], $9::bigint[], $10::text[])
    as b(run_id, epoch, from_seq, from_hash, to_seq, to_hash, status, wake_at, mailbox_taken, waits)
), locked as materialized (
  select run_id, epoch, head_seq, head_hash, status from runs
  where run_id = any($1::uuid[])
  order by run_id
  for update skip locked
)${created}, moved as (
  update runs r set
    head_seq = b.to_seq,
    head_hash = b.to_hash,
    mailbox_taken = coalesce(b.mailbox_taken, r.mailbox_taken),
    status = case
      when b.status is null then r.status
      when b.status = 'parked' and r.mailbox_seq > coalesce(b.mailbox_taken, r.mailbox_taken) then 'ready'
      -- Whoever wants it ended does not wait for it to be released first.
      when b.status = 'quarantined' and r.stop_at <= clock_timestamp() then 'ready'
      else b.status end,
    waits = coalesce(b.waits, case when b.status is null then r.waits else '[]' end),
    wake_at = case when b.status is null then r.wake_at else b.wake_at end,
    ready_at = case when b.status is null then r.ready_at else clock_timestamp() end,
    crashes = case when b.status is null then r.crashes else 0 end,
    solo_crashes = case when b.status is null then r.solo_crashes else 0 end,
    lease_owner = case when b.status is null then r.lease_owner end,
    lease_until = case when b.status is null then r.lease_until end,
    ended_at = case when b.status in ${ENDED} then ${NOW_MS} end
  from batch b join locked l using (run_id)
  where r.run_id = b.run_id
    and l.epoch = b.epoch and l.head_seq = b.from_seq and l.head_hash = b.from_hash
    and r.status = 'running'
  returning r.run_id, r.status
), accepted as (
  select run_id, status from moved${created === "" ? "" : " union all select run_id, status from created"}
), added as (
  insert into events (run_id, seq, type, v, at, hash, data)
  select e.* from unnest($11::uuid[], $12::int[], $13::text[], $14::smallint[], $15::bigint[], $16::bytea[],
      string_to_array($17::text, E'\\n'))
    as e(run_id, seq, type, v, at, hash, data)
  join accepted using (run_id)
)
select b.run_id, a.run_id is not null as accepted, l.run_id is not null as locked, coalesce(a.status, l.status) as status,
  case when a.run_id is null and l.epoch = b.epoch then encode(l.head_hash, 'hex') end as stored_head
from batch b left join locked l using (run_id) left join accepted a using (run_id)`;

export const APPEND = appendOf("");

/** The same where some of the runs are created by it. */
export const APPEND_CREATING = appendOf(CREATED);

export const APPEND_BLOBS = `
insert into blobs (hash, data) select * from unnest($1::bytea[], $2::text[]) on conflict do nothing`;

export const NOW = "select extract(epoch from clock_timestamp())::float8 * 1000 as now";

/**
 * A new run with its first event, in one statement; a run that exists (by its id, or by its agent and
 * start key) stays as it is. With a worker ($12), it is created claimed. $16 and $17 are the blob of a first payload
 * that is too large for a row. With a message that starts it ($19), it is only created while nobody has taken that
 * message back: the message's row is locked, so taking back and creating come one after the other.
 */
export const CREATE_RUN = `
with asked as materialized (
  select 1 from outbox where msg_id = $19::uuid and withdrawn_at is null for update
), created as (
  insert into runs (run_id, session_id, parent_id, agent, agent_version, start_key, starter_kind, starter_id, depth,
    head_seq, head_hash, started_at, status, epoch, lease_owner, lease_until, ready_at, stop_at)
  select $1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $11,
    case when $12::text is null then 'ready' else 'running' end,
    case when $12::text is null then 0 else 1 end,
    $12, clock_timestamp() + $13 * interval '1 millisecond',
    case when $12::text is null then clock_timestamp() else 'infinity' end,
    $18::timestamptz
  where $19::uuid is null or exists (select 1 from asked)
  on conflict do nothing
  returning run_id
), blob as (
  insert into blobs (hash, data) select $16::bytea, $17::text from created where $16::bytea is not null
  on conflict do nothing
)
insert into events (run_id, seq, type, v, at, data, hash)
select run_id, 1, 'run_started', $14, $11, $15, $10 from created
returning run_id, (extract(epoch from clock_timestamp()) * 1000)::bigint as claimed_at`;

const CLAIMED = `
returning r.run_id, r.session_id, r.agent, r.agent_version, r.epoch, r.head_seq, encode(r.head_hash, 'hex') as head_hash,
  r.starter_kind, r.starter_id, r.depth, r.parent_id, r.solo_crashes,
  case when r.mailbox_seq = r.mailbox_taken then r.mailbox_seq end as empty_up_to,
  -- A run that has just been started has one event: it is not worth a statement of its own.
  (select json_build_object('run_id', e.run_id, 'seq', e.seq, 'type', e.type, 'v', e.v, 'at', e.at, 'data', e.data,
     'hash', encode(e.hash, 'hex'))::text
   from events e where r.head_seq = 1 and e.run_id = r.run_id and e.seq = 1) as only_event,
  (extract(epoch from clock_timestamp()) * 1000)::bigint as claimed_at`;

/** $1: the worker, $2: its lease in ms, $3: true if it takes suspects, $4 and $5: its agents and their versions. */
const CLAIM = `
update runs r set status = 'running', epoch = r.epoch + 1, lease_owner = $1, alone = $3::boolean,
  lease_until = clock_timestamp() + $2 * interval '1 millisecond', ready_at = 'infinity',
  agent_version = case when r.agent_version = ''
    then coalesce((select version from mine where mine.agent = r.agent), '') else r.agent_version end
from due where r.run_id = due.run_id
${CLAIMED}`;

const MINE = `mine as materialized (select * from unnest($4::text[], $5::text[]) as m(agent, version))`;

/** Which runs are taken, in the words of the indexes: suspects have one of their own. */
const TAKEN: Readonly<Record<Take, string>> = { all: "true", sound: "crashes = 0", suspects: "crashes > 0" };

/** How long a run that is to be stopped is left to those who can find out what became of its calls. */
const STOP_GRACE = "interval '30 seconds'";

/** A worker that is there and has the run's agent. */
const LIVE = (version = ""): string => `exists (
      select 1 from workers w where runs.agent = any(w.agents) ${version}
        and w.seen_at > clock_timestamp() - w.lease_ms * interval '1 millisecond')`;

/**
 * Any worker may end a run that is to be stopped. But only one that has the agent can ask its tools what became of
 * calls that have no recorded end, and for anybody else they are in doubt: so it is left to a live worker that has the
 * agent in its version, else in any version, for a while. A run that has never been taken (version '') has no calls.
 */
const TO_STOP = `(stop_at <= clock_timestamp() and (
    agent_version = ''
    or not ${LIVE()}
    or exists (select 1 from mine where mine.agent = runs.agent and (mine.version = runs.agent_version
      or not ${LIVE("and w.versions[array_position(w.agents, runs.agent)] = runs.agent_version")}))
    or greatest(stop_at, ready_at) <= clock_timestamp() - ${STOP_GRACE}))`;

/**
 * Claims named runs ($6) of the worker's agents and versions, or that are to be stopped, which are ready and due, at
 * most $7. It waits for a locked row: whoever leaves a message holds it for one statement, and a claim that skipped it
 * would be a lost wake.
 */
export const claimRunsOf = (take: Take): string => `
with ${MINE}, due as materialized (
  select run_id from runs
  where run_id = any($6::uuid[]) and status = 'ready' and ready_at <= clock_timestamp() and ${TAKEN[take]}
    and (${TO_STOP} or exists (
      select 1 from mine where mine.agent = runs.agent and runs.agent_version in (mine.version, '')))
  order by run_id limit $7
  for update
) ${CLAIM}`;

/** The runs of one agent and version that are due, in order. It walks its own part of a partial index. */
const ready = (take: Take, version: string): string => `
      select run_id, ready_at from (
        select run_id, ready_at from runs
        where agent = mine.agent and agent_version = ${version} and status = 'ready' and ${TAKEN[take]}
          and ready_at <= (select clock_timestamp()) - $7 * interval '1 millisecond'
        order by ready_at limit room.most
        for update skip locked
      ) locked`;

/**
 * Claims what nobody was told of: runs of the worker's agents that have been due for $7 ms, at most $6 of each (one
 * number an agent) and $8 in all; and runs that are to be stopped, where they are not better left to another worker.
 * The agents take turns, so that a long queue of one does not keep the others waiting. The cost does not grow with the
 * number of runs that are parked, ended, queued, not due yet, or of versions that nobody has: an index can look up a
 * time that is asked for once, by a select, and not one that may be another for each row. What is locked is skipped
 * before it counts: a row that somebody holds never stands in front of the others.
 */
export const claimAnyOf = (take: Take): string => `
with ${MINE}, ready as materialized (
  select run_id, turn, ready_at
  from unnest($4::text[], $5::text[], $6::int[]) as room(agent, version, most)
  join mine on mine.agent = room.agent
  cross join lateral (
    select run_id, ready_at, row_number() over (order by ready_at) as turn from (
      ${ready(take, "mine.version")} union all ${ready(take, "''")}
      order by ready_at limit room.most
    ) queue
  ) numbered
), stopping as materialized (
  select run_id, 0::bigint as turn, ready_at from runs
  where status = 'ready' and ready_at <= clock_timestamp() and ${TAKEN[take]} and stop_at <= (select clock_timestamp()) and ${TO_STOP}
  order by stop_at limit $8
  for update skip locked
), due as materialized (
  select run_id from (select * from stopping union select * from ready) both_kinds
  group by run_id order by min(turn), min(ready_at) limit $8
) ${CLAIM}`;

/**
 * Until the end of the transaction, nobody else counts this agent's ($1) runs to take one more; false if somebody is
 * doing so now. A statement of its own: what it then counts must be what the one before has committed.
 */
export const LOCK_LIMIT = `select pg_try_advisory_xact_lock($2::int, hashtext($1::text)) as locked`;

export const UNDER_WAY = `select count(*)::int as under_way from runs where agent = $1 and status = 'running'`;

/** Whether the first of these times, which an index begins with, has passed. */
const PASSED = (time: string, of: string): string =>
  `coalesce((select min(${time}) from ${of}) <= clock_timestamp(), false)`;

/** What the sweeps of workers look for. $1: how long one who did not come for its turn keeps its place, in ms. */
export const OVERDUE = `
select
  ${PASSED("wake_at", "runs where status = 'parked' and wake_at is not null")} as timers,
  ${PASSED("lease_until", "runs where status = 'running'")} as leases,
  ${PASSED("expires_at", "approvals where status = 'pending'")} as approvals,
  ${PASSED("held_until", "turns where state in ('offered', 'taken')")}
    or ${PASSED("held_until + $1 * interval '1 millisecond'", "turns where state = 'away'")}
    or exists (select 1 from turns where state = 'offered' and not told) as turns,
  ${PASSED("resend_at", "outbox where received_at is null and dead_at is null")} as messages`;

/**
 * Frees runs whose lease has run out, except those of $1: they are ready for whoever takes them. Where the worker said
 * goodbye, or that it is there when it should long have renewed, it lost the lease without having crashed. It does both
 * each third of a lease, so half a lease leaves room on either side: for one that says so late, and for one that dies
 * after it has said so but before it would have renewed.
 */
export const FREE_LEFT_BEHIND = `
with behind as materialized (
  select run_id, not exists (
    select 1 from workers w
    where w.worker_id = lease_owner and (w.seen_at = '-infinity'
      or w.seen_at > clock_timestamp() - w.lease_ms / 2 * interval '1 millisecond')) as crashed
  from runs
  where status = 'running' and lease_until < (select clock_timestamp()) and run_id <> all($1::uuid[])
  order by lease_until limit $2
  for update skip locked
)
update runs r set status = 'ready', ready_at = least(r.ready_at, clock_timestamp()), lease_owner = null,
  lease_until = null, crashes = r.crashes + behind.crashed::int,
  solo_crashes = r.solo_crashes + (behind.crashed and r.alone)::int, alone = false
from behind where r.run_id = behind.run_id
returning r.run_id`;

const SUSPECT = (version: string): string =>
  `(select 1 from runs where agent = mine.agent and agent_version = ${version} and status = 'ready' and crashes > 0
      and ready_at <= clock_timestamp() order by ready_at limit 1)`;

/** Of the agents $1 in the versions $2, and of runs that are to be stopped. Those of others are not looked at. */
export const SUSPECTS_WAIT = `
select exists (
  select 1 from unnest($1::text[], $2::text[]) as mine(agent, version)
  cross join lateral (${SUSPECT("mine.version")} union all ${SUSPECT("''")}) suspect
) or exists (
  select 1 from runs
  where status = 'ready' and crashes > 0 and ready_at <= (select clock_timestamp()) and stop_at <= clock_timestamp()) as wait`;

/**
 * Extends leases. A locked row is skipped: waiting for it would cost its neighbours their leases. What is said of
 * such a run is what was last committed: an epoch never comes back, so a run that is gone is gone.
 */
export const RENEW = `
with asked as (
  select * from unnest($1::uuid[], $2::int[]) as a(run_id, epoch)
), locked as materialized (
  select run_id, epoch, status, lease_owner from runs
  where run_id = any($1::uuid[])
  order by run_id
  for update skip locked
), renewed as (
  update runs r set lease_until = clock_timestamp() + $4 * interval '1 millisecond'
  from asked a join locked l using (run_id)
  where r.run_id = a.run_id and l.epoch = a.epoch and l.status = 'running' and l.lease_owner = $3
  returning r.run_id
)
select a.run_id, case
  when n.run_id is not null then 'held'
  when l.run_id is null and r.epoch = a.epoch and r.status = 'running' and r.lease_owner = $3 then 'locked'
  else 'gone' end as answer
from asked a left join locked l using (run_id) left join renewed n using (run_id) left join runs r using (run_id)`;

/**
 * Gives a run back. With $3, after an attempt that ended early: it is due after a second, and after twice as long
 * for each attempt in a row that came to nothing, at most 5 minutes; but at once if a message came meanwhile.
 * Every attempt has its epoch, also one that recorded nothing at all: those that came to nothing are the ones
 * since the last event that is more than the start of an attempt or the repetition of a call.
 */
export const RELEASE = `
update runs r set status = 'ready', lease_owner = null, lease_until = null, alone = false,
  ready_at = least(r.ready_at, clock_timestamp() + case when $3 then least(300, 2 ^ least(9, greatest(0, r.epoch - 1 - coalesce((
    select (data::json ->> 'epoch')::int from events
    where run_id = $1 and type = 'attempt_started' and seq < (
      select max(seq) from events where run_id = $1 and type not in ('attempt_started', 'effect_repeated'))
    order by seq desc limit 1), 0)))) else 0 end * interval '1 second')
where r.run_id = $1 and r.epoch = $2 and r.status = 'running'`;

export const STARTED_WITH = `
select e.run_id, e.seq, e.type, e.v, e.at, e.data, encode(e.hash, 'hex') as hash
from runs r join events e on e.run_id = r.run_id and e.seq = 1
where r.agent = $1 and r.start_key = $2`;

/** From event $2 on, so that the event before the wanted ones is there to chain on. */
export const READ_RUN = `
select run_id, seq, type, v, at, data, encode(hash, 'hex') as hash
from events
where run_id = $1 and seq >= $2 order by seq`;

/** The same of many runs, at most $3 of each: one look a run, whatever Postgres knows of them. */
export const READ_RUNS = `
select e.* from unnest($1::uuid[], $2::int[]) as h(run_id, after)
cross join lateral (
  select run_id, seq, type, v, at, data, encode(hash, 'hex') as hash
  from events where events.run_id = h.run_id and events.seq >= h.after
  order by events.seq limit $3
) e`;

export const READ_BLOBS = `
select encode(hash, 'hex') as hash, data from blobs where hash = any($1::bytea[])`;

/** Both in one snapshot: every message up to the number is among the rows. */
export const MAILBOX = `
select r.mailbox_seq, m.msg_id, m.kind, m.data
from runs r left join run_mailbox m on m.run_id = r.run_id and m.seq > r.mailbox_taken
where r.run_id = $1 order by m.seq`;

export const WITH_MAIL = `
select run_id from runs where run_id = any($1::uuid[]) and mailbox_seq > mailbox_taken`;

/** Something has come for a run: one that is parked wakes, and one that is under way does not park before it has looked. */
const WOKEN = (kind: string): string => `
    mailbox_seq = mailbox_seq + 1,
    status = case when status = 'parked' or (status = 'quarantined' and ${kind} in ('cancel', 'release')) then 'ready'
      else status end,
    ready_at = case when status in ('parked', 'quarantined') then clock_timestamp()
      else least(ready_at, clock_timestamp()) end`;

/** The same, where what has come is nothing that ends a quarantine. */
export const KNOCKED = WOKEN("''");

/**
 * Tells a run that there is mail for it, and wakes it if it is parked. The mail itself lies in the outbox until the
 * run receives it. A run in quarantine is left alone.
 */
export const KNOCK = `
update runs set ${KNOCKED}
where run_id = $1 and status not in ('finished', 'failed', 'cancelled')
returning agent, session_id`;

/**
 * Leaves a message, and wakes the run if it is parked: it is due now, or as soon as whoever works on it lets go.
 * A message that is there already changes nothing. A run in quarantine is woken only by who releases or cancels it.
 */
export const DELIVER = `
with raised as (
  update runs set ${WOKEN("$3")},
    -- Whether it still crashes workers is not known before it has been taken alone.
    crashes = case when status = 'quarantined' and $3 in ('cancel', 'release') then 1 else crashes end,
    stop_at = case when $3 = 'cancel' then least(stop_at, clock_timestamp()) else stop_at end
  where run_id = $1 and status not in ('finished', 'failed', 'cancelled')
    and not exists (select 1 from run_mailbox where run_id = $1 and msg_id = $2)
  returning run_id, mailbox_seq, agent
), added as (
  insert into run_mailbox (run_id, seq, msg_id, kind, data)
  select run_id, mailbox_seq, $2, $3, $4 from raised
  on conflict (run_id, msg_id) do nothing
  returning run_id
)
select agent, exists (select 1 from added) as delivered from raised`;
