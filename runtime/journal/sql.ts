/**
 * Appends for any number of runs in one statement. Rows are locked in key order, so batches of several
 * writers never deadlock; a row that is locked already is skipped and reported, so it delays nobody.
 * The compare-and-set is on the epoch and the head's sequence number and hash. A run that would park
 * although its mailbox has moved becomes ready instead: no wake is lost. Where this holder of the lease is
 * refused, it is told the head that is there: perhaps its own, from a commit whose answer was lost.
 *
 * $1..$10: one element a run, and no run twice; $11..$17: one element an event.
 */
export const APPEND = `
with batch as (
  select * from unnest($1::uuid[], $2::int[], $3::int[], $4::bytea[], $5::int[], $6::bytea[], $7::text[], $8::text[], $9::timestamptz[], $10::bigint[])
    as b(run_id, epoch, from_seq, from_hash, to_seq, to_hash, status, waits, wake_at, mailbox_taken)
), locked as materialized (
  select run_id, epoch, head_seq, head_hash, status from runs
  where run_id = any($1::uuid[])
  order by run_id
  for update skip locked
), moved as (
  update runs r set
    head_seq = b.to_seq,
    head_hash = b.to_hash,
    mailbox_taken = coalesce(b.mailbox_taken, r.mailbox_taken),
    status = case
      when b.status is null then r.status
      when b.status = 'parked' and r.mailbox_seq > coalesce(b.mailbox_taken, r.mailbox_taken) then 'ready'
      else b.status end,
    waits = coalesce(b.waits, case when b.status is null then r.waits else '[]' end),
    wake_at = case when b.status is null then r.wake_at else b.wake_at end,
    ready_at = case when b.status is null then r.ready_at else clock_timestamp() end,
    lease_owner = case when b.status is null then r.lease_owner end,
    lease_until = case when b.status is null then r.lease_until end,
    ended_at = case when b.status in ('finished', 'failed', 'cancelled')
      then (extract(epoch from clock_timestamp()) * 1000)::bigint end
  from batch b join locked l using (run_id)
  where r.run_id = b.run_id
    and l.epoch = b.epoch and l.head_seq = b.from_seq and l.head_hash = b.from_hash
    and r.status = 'running'
  returning r.run_id, r.status
), added as (
  insert into events (run_id, seq, type, v, at, data, hash)
  select e.* from unnest($11::uuid[], $12::int[], $13::text[], $14::smallint[], $15::bigint[], $16::text[], $17::bytea[])
    as e(run_id, seq, type, v, at, data, hash)
  join moved using (run_id)
)
select b.run_id, m.run_id is not null as accepted, l.run_id is not null as locked, coalesce(m.status, l.status) as status,
  case when m.run_id is null and l.epoch = b.epoch then encode(l.head_hash, 'hex') end as stored_head
from batch b left join locked l using (run_id) left join moved m using (run_id)`;

export const APPEND_BLOBS = `
insert into blobs (hash, data) select * from unnest($1::bytea[], $2::text[]) on conflict do nothing`;

/**
 * A new run with its first event, in one statement; a run that exists (by its id, or by its agent and
 * start key) stays as it is. With a worker ($12), it is created claimed. $16 and $17 are the blob of a first payload that is too large for a row.
 */
export const CREATE_RUN = `
with created as (
  insert into runs (run_id, session_id, parent_id, agent, agent_version, start_key, starter_kind, starter_id, depth,
    head_seq, head_hash, started_at, status, epoch, lease_owner, lease_until, ready_at)
  select $1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $11,
    case when $12::text is null then 'ready' else 'running' end,
    case when $12::text is null then 0 else 1 end,
    $12, clock_timestamp() + $13 * interval '1 millisecond',
    case when $12::text is null then clock_timestamp() else 'infinity' end
  on conflict do nothing
  returning run_id
), blob as (
  insert into blobs (hash, data) select $16::bytea, $17::text from created where $16::bytea is not null
  on conflict do nothing
)
insert into events (run_id, seq, type, v, at, data, hash)
select run_id, 1, 'run_started', $14, $11, $15, $10 from created
returning run_id`;

const CLAIMED = `
returning r.run_id, r.session_id, r.agent, r.epoch, r.head_seq, encode(r.head_hash, 'hex') as head_hash,
  r.starter_kind, r.starter_id, r.depth, r.parent_id`;

const CLAIM = `
update runs r set status = 'running', epoch = r.epoch + 1, lease_owner = $2,
  lease_until = clock_timestamp() + $3 * interval '1 millisecond', ready_at = 'infinity'
from due where r.run_id = due.run_id
${CLAIMED}`;

/**
 * Claims named runs ($1) that are ready and due, or whose lease has expired. It waits for a locked row: whoever
 * leaves a message holds it for one statement, and a claim that skipped it would be a lost wake.
 */
export const CLAIM_RUNS = `
with due as materialized (
  select run_id from runs
  where run_id = any($1::uuid[])
    and ((status = 'ready' and ready_at <= clock_timestamp())
      or (status = 'running' and lease_until < clock_timestamp()))
  order by run_id
  for update
) ${CLAIM}`;

/**
 * Claims what nobody was told of: runs of these agents ($1) that have been due for $5 ms, and first of all runs
 * whose worker has gone. Each branch walks its own partial index, so the cost does not grow with the
 * number of runs that are parked or ended, and each skips what is locked before it counts: a row that
 * somebody holds never stands in front of the others.
 */
export const CLAIM_ANY = `
with left_behind as materialized (
  select run_id from runs
  where status = 'running' and lease_until < clock_timestamp() and agent = any($1::text[])
    and run_id <> all($6::uuid[])
  order by lease_until limit $4
  for update skip locked
), ready as materialized (
  select run_id from runs
  where status = 'ready' and ready_at <= clock_timestamp() - $5 * interval '1 millisecond' and agent = any($1::text[])
  order by ready_at limit $4
  for update skip locked
), due as materialized (
  select run_id from left_behind union all select run_id from ready limit $4
) ${CLAIM}`;

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
update runs r set status = 'ready', lease_owner = null, lease_until = null,
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

export const READ_BLOBS = `
select encode(hash, 'hex') as hash, data from blobs where hash = any($1::bytea[])`;

/** Both in one snapshot: every message up to the number is among the rows. */
export const MAILBOX = `
select r.mailbox_seq, m.msg_id, m.kind, m.data
from runs r left join run_mailbox m on m.run_id = r.run_id and m.seq > r.mailbox_taken
where r.run_id = $1 order by m.seq`;

/**
 * Leaves a message, and wakes the run if it is parked: it is due now, or as soon as whoever works on it lets go.
 * A message that is there already changes nothing.
 */
export const DELIVER = `
with raised as (
  update runs set
    mailbox_seq = mailbox_seq + 1,
    status = case when status = 'parked' then 'ready' else status end,
    ready_at = case when status = 'parked' then clock_timestamp() else least(ready_at, clock_timestamp()) end
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
