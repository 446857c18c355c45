import type { z } from "zod";
import { assertOperator } from "../core/authority.ts";
import { canonicalJson } from "../core/canonical.ts";
import type { Database, Sql } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import { ENDED_STATUSES, type RunStatus, type Wait } from "../core/events.ts";
import { actorOf, type Actor, type Principal } from "../core/people.ts";
import type { runsQuery, RunView } from "../core/protocol.ts";
import { NotQuarantinedError, NotRestartableError, RunEndedError } from "./errors.ts";
import { assertReason } from "./reason.ts";
import { stuckReason, workersThere } from "./workers-there.ts";

/** Leaves a message for a run, in the caller's transaction. */
type Deliver = (
  sql: Sql,
  run: string,
  message: { readonly id: string; readonly kind: "cancel" | "release"; readonly data: string },
) => Promise<{ readonly agent: string } | null>;

interface Context {
  readonly database: Database;
  readonly deliver: Deliver;
}

interface Row {
  readonly run_id: string;
  readonly session_id: string;
  readonly agent: string;
  readonly agent_version: string;
  readonly parent_id: string | null;
  readonly status: RunStatus;
  readonly starter_kind: Actor["kind"];
  readonly starter_id: string;
  readonly queue: string | null;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly head_seq: number;
  readonly waits: string;
  readonly crashes: number;
  readonly to_stop: boolean;
}

const SELECT = `
select run_id, session_id, agent, agent_version, parent_id, status, starter_kind, starter_id, started_at, ended_at,
  head_seq, waits, crashes, coalesce(stop_at <= clock_timestamp(), false) as to_stop,
  (select key from message_queues q where q.run_id = runs.run_id limit 1) as queue
from runs`;

/** Runs that have not ended, oldest first: all of them, of one status or agent, or only those that would not go on. */
export async function listRuns(database: Database, query: z.output<typeof runsQuery>): Promise<RunView[]> {
  const there = await workersThere(database);
  const rows = await database.query<Row>(
    `${SELECT} where status = any($1::text[]) and ($2::text is null or agent = $2)
       and (not $3 or not exists (
         select 1 from unnest($4::text[], $5::text[]) as w(agent, version)
         where w.agent = runs.agent and runs.agent_version in (w.version, '')))
     order by started_at, run_id limit $6`,
    [
      query.status === undefined ? ["ready", "running", "parked", "quarantined"] : [query.status],
      query.agent ?? null,
      query.stuck,
      ...pairs(there.versions),
      query.limit,
    ],
  );
  const views = rows.map((row) => toView(row, there));
  return query.stuck ? views.filter((run) => run.stuck !== null) : views;
}

/** A run of a session that nobody who is there can go on with; null where there is none. */
export async function stuckRunOf(database: Database, session: string): Promise<RunView | null> {
  const there = await workersThere(database);
  const rows = await database.query<Row>(
    `${SELECT} where session_id = $1 and status in ('ready', 'running', 'parked', 'quarantined')`,
    [session],
  );
  return rows.map((row) => toView(row, there)).find(({ stuck }) => stuck !== null) ?? null;
}

/** @throws `NotFoundError` */
export async function runView(database: Database, run: string): Promise<RunView> {
  const [row] = await database.query<Row>(`${SELECT} where run_id = $1`, [run]);
  if (!row) throw noRun(run);
  return toView(row, await workersThere(database));
}

/**
 * Asks that a run end, and with it all runs that it asked. What has been started is settled first. Asking again
 * changes nothing.
 *
 * @returns the run to wake; null if somebody has asked before.
 * @throws `NotFoundError`, {@link RunEndedError}, `ForbiddenError`, `InvalidInputError` for a reason that cannot be
 *   recorded.
 */
export async function cancelRun(
  context: Context,
  by: Principal,
  { run, reason }: { readonly run: string; readonly reason: string },
): Promise<{ readonly run: string; readonly agent: string } | null> {
  assertOperator(by, "cancel a run");
  assertReason(reason);
  return context.database.transaction(async (sql) => {
    const { status } = await statusOf(sql, run);
    if (ENDED_STATUSES.includes(status)) {
      throw new RunEndedError(`The run ${run} is ${status} already. There is nothing left to cancel.`, {
        details: { run, status },
      });
    }
    const data = canonicalJson({ by: actorOf(by), reason });
    const told = await context.deliver(sql, run, { id: `cancel:${run}`, kind: "cancel", data });
    return told && { run, agent: told.agent };
  });
}

/**
 * Lets workers take a run again that crashed several of them.
 *
 * @returns the run to wake.
 * @throws `NotFoundError`, {@link NotQuarantinedError}, `ForbiddenError`, `InvalidInputError`
 */
export async function releaseRun(
  context: Context,
  by: Principal,
  { run, reason }: { readonly run: string; readonly reason: string },
): Promise<{ readonly run: string; readonly agent: string } | null> {
  assertOperator(by, "release a run");
  assertReason(reason);
  return context.database.transaction(async (sql) => {
    const { status, epoch } = await statusOf(sql, run);
    if (status !== "quarantined") {
      throw new NotQuarantinedError(`The run ${run} is ${status} and not in quarantine. Nothing was changed.`, {
        details: { run, status },
      });
    }
    const data = canonicalJson({ by: actorOf(by), reason });
    const told = await context.deliver(sql, run, { id: `release:${run}:${String(epoch)}`, kind: "release", data });
    return told && { run, agent: told.agent };
  });
}

/**
 * Asserts that a run may be started again as a new session: it began a session, and it does not go on by itself.
 *
 * @throws {@link NotRestartableError}, `ForbiddenError`
 */
export function assertRestartable(view: RunView, by: Principal): void {
  const { run } = view;
  assertOperator(by, "start a run again");
  if (view.parent !== null) {
    throw new NotRestartableError(
      `The run ${run} was asked by another run, which waits for its answer. Cancel it, or start the whole session ${view.session} again.`,
      { details: { run, session: view.session } },
    );
  }
  const over = view.status === "failed" || view.status === "cancelled";
  if (view.status === "finished") {
    throw new NotRestartableError(
      `The run ${run} is finished: there is nothing to do again. To do the same once more, start a new run of ${view.agent}.`,
      { details: { run, status: view.status } },
    );
  }
  if (!over && view.status !== "quarantined" && view.stuck === null) {
    throw new NotRestartableError(
      `The run ${run} is ${view.status} and goes on by itself. Cancel it first if it is to begin again.`,
      { details: { run, status: view.status } },
    );
  }
}

async function statusOf(sql: Sql, run: string): Promise<{ readonly status: RunStatus; readonly epoch: number }> {
  const [row] = await sql.query<{ status: RunStatus; epoch: number }>(
    "select status, epoch from runs where run_id = $1",
    [run],
  );
  if (!row) throw noRun(run);
  return row;
}

function noRun(run: string): NotFoundError {
  return new NotFoundError(`There is no run ${run}. "npx signalbox sessions show" lists a session's runs.`, {
    details: { run },
  });
}

function pairs(versions: ReadonlyMap<string, ReadonlySet<string>>): [string[], string[]] {
  const all = [...versions].flatMap(([agent, some]) => [...some].map((version) => [agent, version] as const));
  return [all.map(([agent]) => agent), all.map(([, version]) => version)];
}

function toView(row: Row, there: Awaited<ReturnType<typeof workersThere>>): RunView {
  const over = ENDED_STATUSES.includes(row.status);
  return {
    run: row.run_id,
    session: row.session_id,
    agent: row.agent,
    version: row.agent_version === "" ? null : row.agent_version,
    parent: row.parent_id,
    status: row.status,
    startedBy: { kind: row.starter_kind, id: row.starter_id },
    queue: row.queue,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    events: row.head_seq,
    waits: JSON.parse(row.waits) as Wait[],
    crashes: row.crashes,
    stuck: over ? null : stuckReason(there, { agent: row.agent, version: row.agent_version, toStop: row.to_stop }),
  };
}
