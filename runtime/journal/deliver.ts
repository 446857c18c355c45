import type { Sql } from "../core/database.ts";
import { DELIVER } from "./sql.ts";

/** Leaves a message for a run in the caller's transaction; null if it was there already or the run has ended. */
export async function deliverIn(
  sql: Sql,
  run: string,
  message: { readonly id: string; readonly kind: string; readonly data: string },
): Promise<{ readonly agent: string } | null> {
  const [row] = await sql.query<{ agent: string; delivered: boolean }>(DELIVER, [
    run,
    message.id,
    message.kind,
    message.data,
  ]);
  return row?.delivered === true ? { agent: row.agent } : null;
}
