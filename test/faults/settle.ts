import { verify } from "../../runtime/audit/verify.ts";
import { isRepeatable } from "../../runtime/core/effects.ts";
import { ENDED_STATUSES, type RunStatus } from "../../runtime/core/events.ts";
import { operate } from "./operator.ts";
import type { Scene } from "./scene.ts";
import { delay, lookEvery } from "./wait.ts";

interface RunRow {
  readonly run: string;
  readonly session: string;
  readonly agent: string;
  readonly status: RunStatus;
}

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
    await Promise.all(runs.map(async (run) => `${run.agent} is ${run.status}: ${await why(scene, run.run)}`))
  ).join("; ");
}

function runsOf(scene: Scene): Promise<RunRow[]> {
  return scene.books.database.query<RunRow>(
    "select run_id as run, session_id as session, agent, status from runs where session_id = any($1::uuid[])",
    [scene.runs.map(({ run }) => run)],
  );
}

/** What happened outside is what was to happen, once. */
async function checkWorld(scene: Scene): Promise<void> {
  const expected = scene.expected();
  const keys = new Map<string, Set<string>>();
  for (const act of scene.bank.acts) {
    if (!scene.runs.some(({ id }) => act.id.startsWith(`${id}:`) || act.id.startsWith(`${id}.`))) continue;
    if (!expected.has(act.id)) scene.violated("duplicated", `${act.id} happened and was not to`);
  }
  for (const [id, run] of expected) {
    const count = scene.bank.count(id);
    if (count === 0 && scene.terms.ends.every((end) => end === "finished"))
      scene.violated("lost", `${id} of ${run.run} never happened`);
    if (count > 1) scene.violated("duplicated", `${id} of ${run.run} happened ${String(count)} times`);
    const used = new Set(scene.bank.calls.filter((call) => call.id === id).map((call) => call.key));
    keys.set(id, used);
    if (used.size > 1) scene.violated("duplicated", `${id} of ${run.run} was called under ${String(used.size)} keys`);
  }
  for (const run of await runsOf(scene)) {
    if (ENDED_STATUSES.includes(run.status) && !scene.terms.ends.includes(run.status)) {
      scene.violated("lost", `${run.agent} ${run.run} is ${run.status}: ${await why(scene, run.run)}`);
    }
  }
}

async function why(scene: Scene, run: string): Promise<string> {
  const last = (await scene.books.journal.read(run)).at(-1);
  return `${last?.type ?? "no event"} ${JSON.stringify(last?.data).slice(0, 400)}`;
}

/** Each call that may not be repeated and was started has its end on record, and it is the one that the bank knows. */
async function checkCalls(scene: Scene, run: string): Promise<void> {
  const events = await scene.events({ run });
  const ends = new Map(events.flatMap(({ type, data }) => (type === "effect_finished" ? [[data.effect, data]] : [])));
  for (const { type, data } of events) {
    // What may be repeated may also be cut off: nobody finds out what became of it.
    if (type !== "effect_intended" || data.kind !== "tool" || isRepeatable(data.class)) continue;
    const end = ends.get(data.effect);
    const happened = scene.bank.find(data.id) !== undefined;
    if (!end) scene.violated("unverified", `${data.name} of ${run} has no end on record`);
    else if (end.outcome.ok !== happened) {
      const said = end.outcome.ok ? "happened" : "did not happen";
      scene.violated("unverified", `the record of ${run} says that ${data.name} ${said}, and the bank says otherwise`);
    }
  }
}

interface ApprovalRow {
  readonly approval: string;
  readonly status: string;
  readonly used: boolean;
}

/** Every message was for somebody, and no harm that ends is a reason to give one up. */
async function checkMail(scene: Scene): Promise<void> {
  const dead = await scene.books.database.query<{ what: string }>(
    `select o.kind || ' from ' || o.from_agent || ' to ' || o.to_agent || ': ' || d.reason || ', ' || d.detail as what
     from dead_letters d join outbox o using (msg_id) join runs r on r.run_id = o.from_run
     where r.session_id = any($1::uuid[])`,
    [scene.runs.map(({ run }) => run)],
  );
  for (const { what } of dead) scene.violated("lost", `a dead letter: ${what}`);
}

/** The chain verifies, the views say what the events say, and no attempt was made in vain where that is promised. */
async function checkRecord(scene: Scene): Promise<void> {
  const { database } = scene.books;
  for (const { run } of scene.runs) {
    const { verified, firstBad } = await verify(database, run);
    if (!verified) scene.violated("unverified", `${run}: ${JSON.stringify(firstBad)}`);
  }
  if (scene.terms.agrees) for (const { run } of await runsOf(scene)) await checkCalls(scene, run);
  const runs = [(await runsOf(scene)).map(({ run }) => run)];
  const approvals = await database.query<ApprovalRow>(
    `select a.approval_id as approval, a.status, exists (
       select 1 from events e where e.run_id = a.run_id and e.type = 'effect_intended'
         and e.data::json ->> 'approval' = a.approval_id::text) as used
     from approvals a where run_id = any($1::uuid[])`,
    runs,
  );
  for (const { approval, status, used } of approvals) {
    if (used !== (status === "consumed")) {
      scene.violated("unverified", `the approval ${approval} is ${status}, and its call was ${used ? "" : "not "}made`);
    }
  }
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
