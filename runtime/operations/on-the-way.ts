import type { Database } from "../core/database.ts";

/** A message that has reached nobody for so long is not about to move its session. */
const LATELY_MS = 10_000;

/** True while a run of the session has just sent something that has reached nobody yet. */
export async function isOnTheWay(database: Database, session: string): Promise<boolean> {
  const [row] = await database.query<{ there: boolean }>(
    `select exists (
       select 1 from outbox where from_run in (select run_id from runs where session_id = $1)
         and received_at is null and dead_at is null and withdrawn_at is null
         and created_at > clock_timestamp() - $2 * interval '1 millisecond') as there`,
    [session, LATELY_MS],
    "is_on_the_way",
  );
  return row?.there === true;
}
