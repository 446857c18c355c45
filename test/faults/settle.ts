import { verify } from "../../runtime/audit/verify.ts";
import { ENDED_STATUSES } from "../../runtime/core/events.ts";
import { checkApprovals, checkCalls, checkMail, checkWorld, lastWordOf, runsOf } from "./checks.ts";
import { operate } from "./operator.ts";
import type { Scene } from "./scene.ts";
import { delay, lookEvery } from "./wait.ts";

/** Lets everything come to its end, with an operator who does what is asked, and finds what is wrong. */
export async function settle(scene: Scene, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  let open = "nothing could be asked of the database";
  while (performance.now() < deadline) {
    try {
      const now = await situation(scene);
      open = now.open;
      if (open === "") break;
      if (now.asks) await operate(scene);
    } catch (error) {
      open = error instanceof Error ? error.message : String(error);
    }
    await delay(2 * lookEvery(scene.lookers));
  }
  if (open !== "") scene.violated("stuck", open);
  await checkWorld(scene);
  // A run that goes on while it is read does not verify.
  if (open !== "") return;
  await checkMail(scene);
  await checkRecord(scene);
  await scene.check();
}

/** What has not come to its end, in words, and whether anything is asked of people. */
async function situation(scene: Scene): Promise<{ readonly open: string; readonly asks: boolean }> {
  const [now] = await scene.books.database.query<{ runs: string | null; unreceived: number; asks: boolean }>(
    `with open as (
       select run_id, agent, status from runs where not status = any($2)
         and (session_id = any($1::uuid[]) or run_id in (
           -- What a message has started is a session of its own.
           select to_run from outbox where from_run = any($1::uuid[])))
     )
     select (select string_agg(agent || ' ' || run_id || ' is ' || status, ', ') from open) as runs,
       (select count(*)::int from outbox where received_at is null) as unreceived,
       exists (select 1 from doubts where resolved_at is null and run_id in (select run_id from open))
         or exists (select 1 from approvals where status = 'pending' and run_id in (select run_id from open))
         or exists (select 1 from questions where status = 'open' and run_id in (select run_id from open)) as asks`,
    [scene.runs.map(({ run }) => run), ENDED_STATUSES],
  );
  if (!now) throw new Error("The database said nothing.");
  if (now.runs !== null) return { open: now.runs, asks: now.asks };
  return {
    open: now.unreceived === 0 ? "" : `${String(now.unreceived)} messages have reached nobody`,
    asks: false,
  };
}

/** Where each run is, and what it did last, for whoever wonders why something never came. */
export async function whereabouts(scene: Scene): Promise<string> {
  const runs = await runsOf(scene);
  return (
    await Promise.all(runs.map(async (run) => `${run.agent} is ${run.status}: ${await lastWordOf(scene, run.run)}`))
  ).join("; ");
}

/** The chain verifies, the views say what the events say, and no attempt was made in vain where that is promised. */
async function checkRecord(scene: Scene): Promise<void> {
  const { database } = scene.books;
  for (const { run } of scene.runs) {
    const { verified, firstBad } = await verify(database, run);
    if (!verified) scene.violated("unverified", `${run}: ${JSON.stringify(firstBad)}`);
  }
  if (scene.terms.agrees) for (const { run } of await runsOf(scene)) await checkCalls(scene, run);
  await checkApprovals(scene);
  const { attempts } = scene.terms;
  if (attempts === null) return;
  const made = await database.query<{ run: string; attempts: number }>(
    `select run_id as run, count(*)::int as attempts from events
     where type = 'attempt_started' and run_id = any($1::uuid[]) group by run_id`,
    [scene.runs.map(({ run }) => run)],
  );
  for (const row of made) {
    if (row.attempts > attempts) {
      scene.violated("lost", `${row.run} took ${String(row.attempts)} attempts, not ${String(attempts)}`);
    }
  }
}
