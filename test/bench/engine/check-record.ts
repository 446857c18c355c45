import { verify } from "../../../runtime/audit/verify.ts";
import { openDatabase } from "../../../runtime/journal/database.ts";

/** How many calls the runs should have made: each of them, or all together. */
export type ExpectedCalls = { readonly perRun: number } | { readonly inAll: number };

/**
 * What Signalbox left behind: every run has finished with all of its calls made, each with a verdict on record, and
 * every hash of every chain is right.
 */
export async function checkRecord(databaseUrl: string, expected: ExpectedCalls): Promise<void> {
  const database = openDatabase({ url: databaseUrl });
  try {
    const statuses = await database.query<{ status: string; runs: number }>(
      "select status, count(*)::int as runs from runs group by status",
    );
    const finished = statuses.find(({ status }) => status === "finished")?.runs ?? 0;
    const other = statuses.filter(({ status }) => status !== "finished");
    if (other.length > 0) throw new Error(`Not all runs have finished: ${JSON.stringify(other)}.`);
    const [calls] = await database.query<{ judged: number }>(
      `select count(*)::int as judged from events
       where type in ('effect_recorded', 'effect_intended') and data::json -> 'verdict' ->> 'decision' = 'allow'`,
    );
    const wanted = "inAll" in expected ? expected.inAll : finished * expected.perRun;
    if (calls?.judged !== wanted) {
      throw new Error(`${String(wanted)} calls should have a verdict on record, and ${String(calls?.judged)} have.`);
    }
    const report = await verify(database, null);
    if (!report.verified) throw new Error(`The record is not right: ${JSON.stringify(report)}`);
    process.stderr.write(`verified: ${String(report.runs)} runs, ${String(report.events)} events\n`);
  } finally {
    await database.end();
  }
}
