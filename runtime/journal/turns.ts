import type { Database, Sql } from "../core/database.ts";
import type { Turns } from "../core/turns.ts";
import { KNOCKED } from "./sql.ts";

/** Names the locks under which turns are counted; any constant will do. */
const TURN_LOCK = 7_271_905;
/** How long a turn is kept for a run that was woken for it. Then the next one gets it. */
const OFFER_MS = 10_000;
/** How long a run that did not come for its turn keeps its place. */
export const PLACE_MS = 3_600_000;
/** So many at the head of the queue are looked at for runs that have ended. */
const HEAD = 50;

/** One after the other, and in a statement of its own: what is counted next must be all that was committed. */
const LOCK = "select pg_advisory_xact_lock($1::int, hashtext($2::text))";

const HELD = "state in ('offered', 'taken') and held_until > clock_timestamp()";

/** The usual case: one is free, and nobody else waits; or it has been offered, or is had already. */
const TAKE_AT_ONCE = `
insert into turns (of, run_id, effect, at_most, state, held_until)
select $1, $2::uuid, $3, $4::int, 'taken', clock_timestamp() + $5 * interval '1 millisecond'
where $4::int > (select count(*) from turns where of = $1 and ${HELD} and (run_id, effect) <> ($2::uuid, $3))
  and (not exists (select 1 from turns where of = $1 and state = 'waiting' and (run_id, effect) <> ($2::uuid, $3))
    or exists (select 1 from turns where of = $1 and run_id = $2::uuid and effect = $3 and ${HELD}))
on conflict (of, run_id, effect) do update
  set at_most = excluded.at_most, state = excluded.state, held_until = excluded.held_until
returning run_id`;

/** What has been asked for before keeps its place. */
const WAIT = `
insert into turns (of, run_id, effect, at_most, state) values ($1, $2, $3, $4, 'waiting')
on conflict (of, run_id, effect) do update set at_most = excluded.at_most, state = 'waiting', held_until = null
where turns.state not in ('offered', 'taken') or turns.held_until <= clock_timestamp()`;

const GIVE = "delete from turns where of = $1 and (run_id, effect) = ($2, $3)";

/** Whoever has a turn and is gone has it no more; who did not come for an offer is passed over until it does. */
const OVER = `
with over as (
  delete from turns where of = $1 and state = 'taken' and held_until <= clock_timestamp()
)
update turns set state = 'away' where of = $1 and state = 'offered' and held_until <= clock_timestamp()`;

/** Runs that have ended, or are to, wait for nothing. */
const DROP_ENDED = `
delete from turns t using (
  select of, run_id, effect from turns where of = $1 and state = 'waiting' order by asked limit $2
) head left join runs r using (run_id)
where (t.of, t.run_id, t.effect) = (head.of, head.run_id, head.effect)
  and (r.run_id is null or r.status not in ('ready', 'running', 'parked') or r.stop_at <= clock_timestamp())`;

/** What is free goes to those who have waited longest; one who finds nothing free keeps all behind it waiting. */
const OFFER = `
update turns t set state = 'offered', told = false, held_until = clock_timestamp() + $2 * interval '1 millisecond'
from (
  select of, run_id, effect, bool_and(place + held.count <= at_most) over (order by place) as fits
  from (select of, run_id, effect, at_most, row_number() over (order by asked) as place
    from turns where of = $1 and state = 'waiting' order by asked limit $3) queue,
    (select count(*) from turns where of = $1 and ${HELD}) held
) next
where next.fits and (t.of, t.run_id, t.effect) = (next.of, next.run_id, next.effect)
returning t.run_id`;

const TAKE_OFFERED = `
update turns set state = 'taken', held_until = clock_timestamp() + $4 * interval '1 millisecond'
where of = $1 and run_id = $2 and effect = $3 and ${HELD} returning run_id`;

/**
 * Wakes the runs of offers, each once: all of it happens or nothing. One that is under way is not left parked by an
 * attempt that has not seen the offer, because its mailbox has moved. Outside the lock, because it may have to wait
 * for a run's row.
 */
const TELL = `
with untold as materialized (
  select of, run_id, effect from turns where of = $1 and state = 'offered' and not told for update skip locked
), told as (
  update turns t set told = true from untold u where (t.of, t.run_id, t.effect) = (u.of, u.run_id, u.effect)
  returning t.run_id
)
update runs set ${KNOCKED}
where run_id in (select run_id from told) and status in ('parked', 'running')
returning run_id, agent`;

/** Where something is over that nobody gave back, or somebody has not been woken. */
const LEFT = `
with forgotten as (
  delete from turns where state = 'away' and held_until < clock_timestamp() - $1 * interval '1 millisecond'
)
select of from turns where state in ('offered', 'taken') and held_until <= clock_timestamp()
union select of from turns where state = 'offered' and not told`;

/**
 * Turns in Postgres.
 *
 * @param onWoken told of runs of an agent that have been woken because it is their turn
 */
export function createTurns(
  database: Database,
  onWoken: (agent: string, runs: readonly string[]) => void = () => undefined,
): Turns {
  const locked = <T>(of: string, work: (sql: Sql) => Promise<T>): Promise<T> =>
    database.transaction(async (sql) => {
      await sql.query(LOCK, [TURN_LOCK, of], "lock_turns");
      return work(sql);
    });
  const tell = async (of: string): Promise<void> => {
    const woken = new Map<string, string[]>();
    for (const { agent, run_id: run } of await database.query<{ agent: string; run_id: string }>(TELL, [of], "tell"))
      woken.set(agent, [...(woken.get(agent) ?? []), run]);
    for (const [agent, runs] of woken) onWoken(agent, runs);
  };
  return {
    async take(turn, atMost, forMs) {
      const { of, run, effect } = turn;
      const { taken, offered } = await locked(of, async (sql) => {
        const atOnce = await sql.query(TAKE_AT_ONCE, [of, run, effect, atMost, forMs], "take_turn");
        if (atOnce.length > 0) return { taken: true, offered: false };
        await sql.query(WAIT, [of, run, effect, atMost], "wait_for_turn");
        const offered = await offer(sql, of);
        return {
          taken: (await sql.query(TAKE_OFFERED, [of, run, effect, forMs], "take_offered_turn")).length > 0,
          offered,
        };
      });
      if (offered) await tell(of);
      return taken;
    },
    async give(turn) {
      const { of, run, effect } = turn;
      const offered = await locked(of, async (sql) => {
        await sql.query(GIVE, [of, run, effect], "give_turn");
        return offer(sql, of);
      });
      if (offered) await tell(of);
    },
    async handOut() {
      for (const { of } of await database.query<{ of: string }>(LEFT, [PLACE_MS], "left_turns")) {
        await locked(of, (sql) => offer(sql, of));
        await tell(of);
      }
    },
  };
}

/** @returns true if somebody is to be told of an offer. */
async function offer(sql: Sql, of: string): Promise<boolean> {
  await sql.query(OVER, [of], "turns_over");
  await sql.query(DROP_ENDED, [of, HEAD], "turns_of_ended");
  return (await sql.query(OFFER, [of, OFFER_MS, HEAD], "offer_turns")).length > 0;
}
