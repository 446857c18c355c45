import type { Database } from "../core/database.ts";
import type { Turns } from "../core/turns.ts";

/** Names the locks under which turns are counted; any constant will do. */
const TURN_LOCK = 7_271_905;

export function createTurns(database: Database): Turns {
  return {
    take: ({ of, run, effect }, atMost, forMs) =>
      database.transaction(async (sql) => {
        // One after the other, and in a statement of its own: what is counted next must be all that was committed.
        await sql.query("select pg_advisory_xact_lock($1::int, hashtext($2::text))", [TURN_LOCK, of], "lock_turns");
        const taken = await sql.query(
          `insert into turns (of, run_id, effect, held_until)
           select $1, $2, $3, clock_timestamp() + $5 * interval '1 millisecond'
           where $4 > (select count(*) from turns
             where of = $1 and held_until > clock_timestamp() and (run_id, effect) <> ($2::uuid, $3))
           on conflict (of, run_id, effect) do update set held_until = excluded.held_until
           returning run_id`,
          [of, run, effect, atMost, forMs],
          "take_turn",
        );
        return taken.length > 0;
      }),
    async give({ of, run, effect }) {
      await database.query(
        "delete from turns where of = $1 and (run_id, effect) = ($2, $3) or held_until < clock_timestamp() - interval '1 hour'",
        [of, run, effect],
        "give_turn",
      );
    },
  };
}
