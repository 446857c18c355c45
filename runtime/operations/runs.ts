import type { z } from "zod";
import { assertOperator } from "../core/authority.ts";
import { canonicalJson } from "../core/canonical.ts";
import type { Database, Sql } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import { ENDED_STATUSES, type RunStatus, type Wait } from "../core/events.ts";
import { actorOf, type Actor, type Principal } from "../core/people.ts";
import type { runsQuery, RunsPage, RunView } from "../core/protocol.ts";
import { parseTimeCursor, timeCursor } from "../core/time-cursor.ts";
import { NotQuarantinedError, NotRestartableError, RunEndedError } from "./errors.ts";
import { assertReason } from "./reason.ts";
import { stuckReason, workersThere, type WorkersThere } from "./workers-there.ts";

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
export async function listRuns(database: Database, query: z.output<typeof runsQuery>): Promise<RunsPage> {
  const there = await workersThere(database);
  const rows = await database.query<Row>(...pageOfOpenRuns(query, there, query.limit + 1));
  const page = rows.slice(0, query.limit);
  const last = rows.length > query.limit ? page.at(-1) : undefined;
  return {
    runs: page.map((row) => toView(row, there)),
    next: last ? timeCursor({ at: last.started_at, id: last.run_id }) : null,
  };
}

/** The condition of two indexes, word for word. */
const OPEN = "status in ('ready', 'running', 'parked', 'quarantined')";
const OPEN_STATUSES = ["ready", "running", "parked", "quarantined"] as const;

/**
 * Each status is looked at for itself, in the order of the list; and where an agent is asked for, or runs that would
 * not go on, each version of an agent that has runs which have not ended. Versions are found by looking for the next
 * one, so that it costs what versions there are and not what runs.
 */
function pageOfOpenRuns(query: z.output<typeof runsQuery>, there: WorkersThere, limit: number): [string, unknown[]] {
  const { agent, status, stuck } = query;
  const values: unknown[] = [limit, status === undefined ? OPEN_STATUSES : [status]];
  const param = (value: unknown): string => `$${String(values.push(value))}`;
  const after = parseTimeCursor(query.after);
  const later = after ? ` and (started_at, run_id) > (${param(after.at)}::bigint, ${param(after.id)}::uuid)` : "";
  const order = "order by started_at, run_id";
  const statuses = "unnest($2::text[]) as s(wanted)";
  const keys = `select run_id, started_at from runs where ${OPEN} and status = s.wanted${later}`;
  const page = (runs: string, before = ""): [string, unknown[]] => [
    `with ${before}page as materialized (select r.* from ${runs} r ${order} limit $1)
     select shown.* from page cross join lateral (${SELECT} where runs.run_id = page.run_id limit 1) shown
     order by page.started_at, page.run_id`,
    values,
  ];
  if (agent === undefined && !stuck) return page(`${statuses} cross join lateral (${keys} ${order} limit $1)`);
  const ofAgent = agent === undefined ? "" : ` and agent = ${param(agent)}`;
  const version = (beyond: string): string =>
    `select agent, agent_version from runs where ${OPEN}${ofAgent}${beyond} order by agent, agent_version limit 1`;
  const versions = `recursive versions as (
       (${version("")})
       union all
       select n.* from versions v cross join lateral (
         ${version(" and (agent, agent_version) > (v.agent, v.agent_version)")}) n
     ), `;
  const [agents, known] = stuck ? pairs(there.versions) : [[], []];
  const unknown = stuck
    ? ` where not exists (select 1 from unnest(${param(agents)}::text[], ${param(known)}::text[]) as w(agent, version)
          where w.agent = v.agent and v.agent_version in (w.version, ''))`
    : "";
  // Any worker ends what is to be stopped.
  const goesOn = stuck && there.count > 0 ? " and (stop_at is null or stop_at > clock_timestamp())" : "";
  return page(
    `(select * from versions v${unknown}) v cross join ${statuses} cross join lateral (
       ${keys} and agent = v.agent and agent_version = v.agent_version${goesOn} ${order} limit $1)`,
    versions,
  );
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

function toView(row: Row, there: WorkersThere): RunView {
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
