import type { Sql } from "../core/database.ts";
import type { RunEnd } from "../core/events.ts";
import { GENESIS } from "../core/chain.ts";
import { toEvents, withBlobs, type EventRow } from "./journal.ts";

/** The last events of those of the runs ($1) that have ended. */
const RUN_ENDS = `
select e.run_id, e.seq, e.type, e.v, e.at, e.data, encode(e.hash, 'hex') as hash
from runs r join events e on e.run_id = r.run_id and e.seq = r.head_seq
where r.run_id = any($1::uuid[]) and r.status in ('finished', 'failed', 'cancelled')`;

/** What those of the runs that have ended did so with. */
export async function endsOf(
  sql: Sql,
  runs: readonly string[],
): Promise<{ readonly run: string; readonly end: RunEnd }[]> {
  const rows = await withBlobs(sql, await sql.query<EventRow>(RUN_ENDS, [runs], "run_ends"));
  return toEvents(rows, GENESIS).flatMap((event) =>
    event.type === "run_finished" || event.type === "run_failed" || event.type === "run_cancelled"
      ? [{ run: event.run, end: event }]
      : [],
  );
}
