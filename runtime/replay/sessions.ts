import type { z } from "zod";
import { causalOrder } from "../core/causal-order.ts";
import type { SessionDelta } from "../core/console-services.ts";
import type { Database } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import { RUN_STATUSES, type Cursor, type JournalEvent, type RunStatus, type Wait } from "../core/events.ts";
import type { Actor } from "../core/people.ts";
import type {
  RunSummary,
  SessionState,
  SessionsPage,
  SessionSummary,
  SessionView,
  sessionsQuery,
} from "../core/protocol.ts";
import { parseTimeCursor, timeCursor } from "../core/time-cursor.ts";
import { RunProjection } from "./run-projection.ts";

/** Reads events: the journal, without its power to write. */
export interface EventReader {
  /** The next events of each of these runs, at most `limit` of each. */
  readRuns(
    runs: readonly { readonly run: string; readonly after: number }[],
    limit: number | null,
  ): Promise<JournalEvent[][]>;
}

export interface SessionsContext {
  readonly database: Database;
  readonly journal: EventReader;
}

interface RootRow {
  readonly run_id: string;
  readonly agent: string;
  readonly status: RunStatus;
  readonly starter_kind: Actor["kind"];
  readonly starter_id: string;
  readonly start_key: string | null;
  readonly started_at: number;
  readonly ended_at: number | null;
}

interface RunRow {
  readonly run_id: string;
  readonly session_id: string;
  readonly agent: string;
  readonly parent_id: string | null;
  readonly status: RunStatus;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly head_seq: number;
  readonly waits: string;
}

const ROOT_COLUMNS = "run_id, agent, status, starter_kind, starter_id, start_key, started_at, ended_at";

/** A page of sessions, newest first. The next page starts after the last row's (start, id). */
export async function listSessions(
  { database }: SessionsContext,
  query: z.output<typeof sessionsQuery>,
): Promise<SessionsPage> {
  const roots = await database.query<RootRow>(...pageOfRoots(query, query.limit + 1));
  const page = roots.slice(0, query.limit);
  const last = roots.length > query.limit ? page.at(-1) : undefined;
  return {
    sessions: await summarise(database, page),
    next: last ? timeCursor({ at: last.started_at, id: last.run_id }) : null,
  };
}

/**
 * Each filter has an index that begins with it and is in the order of the list. Where an agent's sessions of any status
 * are wanted, each status is looked at for itself. A condition that a query does not have is not in the statement:
 * Postgres must not have to guess whether a parameter will be null.
 */
function pageOfRoots(query: z.output<typeof sessionsQuery>, limit: number): [string, unknown[]] {
  const { agent, status } = query;
  const values: unknown[] = [limit];
  const param = (value: unknown): string => `$${String(values.push(value))}`;
  const after = parseTimeCursor(query.after);
  const older = after ? ` and (started_at, run_id) < (${param(after.at)}::bigint, ${param(after.id)}::uuid)` : "";
  const order = "order by started_at desc, run_id desc limit $1";
  const from = `select ${ROOT_COLUMNS} from runs where parent_id is null`;
  if (agent === undefined) {
    const only = status === undefined ? "" : ` and status = ${param(status)}`;
    return [`${from}${only}${older} ${order}`, values];
  }
  return [
    `select r.* from unnest(${param(status === undefined ? RUN_STATUSES : [status])}::text[]) as s(wanted)
     cross join lateral (${from} and agent = ${param(agent)} and status = s.wanted${older} ${order}) r ${order}`,
    values,
  ];
}

export async function sessionSummaries(
  { database }: SessionsContext,
  sessions: readonly string[],
): Promise<SessionSummary[]> {
  const roots = await database.query<RootRow>(`select ${ROOT_COLUMNS} from runs where run_id = any($1::uuid[])`, [
    sessions,
  ]);
  return summarise(database, roots);
}

/** The newest sessions and those under way. */
export async function recentSessions({ database }: SessionsContext, limit: number): Promise<SessionSummary[]> {
  // Looked up one by one: joined, all runs would be read.
  const roots = await database.query<RootRow>(
    `select root.* from (
       (select run_id from runs where parent_id is null order by started_at desc, run_id desc limit $1)
       union (select session_id from runs where status = 'ready' limit $1)
       union (select session_id from runs where status = 'running' limit $1)) as recent
     cross join lateral (select ${ROOT_COLUMNS} from runs where runs.run_id = recent.run_id limit 1) root
     order by started_at desc limit $1`,
    [limit],
  );
  return summarise(database, roots);
}

export async function sessionRuns({ database }: SessionsContext, session: string): Promise<RunSummary[]> {
  const rows = await database.query<RunRow>(
    `select run_id, session_id, agent, parent_id, status, started_at, ended_at, head_seq, waits
     from runs where session_id = $1 order by started_at, run_id`,
    [session],
  );
  if (rows.length === 0) {
    throw new NotFoundError(`There is no session ${session}. "npx signalbox sessions ls" shows what there is.`, {
      details: { session },
    });
  }
  return rows.map(toRunSummary);
}

/** A whole session, its events in causal order. */
export async function sessionView(context: SessionsContext, session: string): Promise<SessionView> {
  const runs = await sessionRuns(context, session);
  const events = await context.journal.readRuns(
    runs.map(({ run }) => ({ run, after: 0 })),
    null,
  );
  const [summary] = await sessionSummaries(context, [session]);
  if (!summary) throw new NotFoundError(`The session ${session} has no root run.`, { details: { session } });
  return { session: summary, runs, events: causalOrder(events) };
}

/** Every run of a session right after one of its events, in causal order. */
export async function sessionState(
  context: SessionsContext,
  session: string,
  at: { readonly run: string; readonly seq: number },
): Promise<SessionState> {
  const { runs, events } = await sessionView(context, session);
  const projections = new Map(runs.map((run) => [run.run, new RunProjection()]));
  let found = false;
  for (const event of events) {
    projections.get(event.run)?.apply(event);
    found = event.run === at.run && event.seq === at.seq;
    if (found) break;
  }
  if (!found) {
    throw new NotFoundError(`The session ${session} has no event ${String(at.seq)} of the run ${at.run}.`, {
      details: { session, run: at.run, seq: at.seq },
    });
  }
  return {
    at,
    runs: runs.map((run) => {
      const projected = projections.get(run.run)?.current();
      return {
        run: run.run,
        agent: run.agent,
        status: projected?.status ?? "not_started",
        state: projected?.state ?? {},
        waits: projected?.waits ?? [],
        seq: projected?.seq ?? 0,
      };
    }),
  };
}

/** What comes after a cursor: each run's events in order, with none missing in between. */
export async function eventsAfter(
  context: SessionsContext,
  session: string,
  cursor: Cursor,
  limit: number,
): Promise<SessionDelta> {
  // First: of a session that is said to have ended, the last events are among these or among what is left.
  const [summary] = await sessionSummaries(context, [session]);
  if (!summary) throw new NotFoundError(`The session ${session} has no root run.`, { details: { session } });
  const runs = await sessionRuns(context, session);
  const behind = runs.filter((run) => run.events > (cursor[run.run] ?? 0));
  // As many of each run as may be shown: those that come first of all of them are among these.
  const read = await context.journal.readRuns(
    behind.map(({ run }) => ({ run, after: cursor[run] ?? 0 })),
    limit,
  );
  const ordered = causalOrder(read);
  const left = behind.reduce((sum, { run, events }) => sum + events - (cursor[run] ?? 0), 0);
  return { events: ordered.slice(0, limit), session: summary, runs, more: Math.max(ordered.length, left) > limit };
}

async function summarise(database: Database, roots: readonly RootRow[]): Promise<SessionSummary[]> {
  if (roots.length === 0) return [];
  const totals = await database.query<{ session_id: string; runs: number; events: number; waits: string[] }>(
    `select session_id, count(*)::int as runs, sum(head_seq)::int as events,
       coalesce(array_agg(waits) filter (where waits <> '[]'), '{}') as waits
     from runs where session_id = any($1::uuid[]) group by session_id`,
    [roots.map((root) => root.run_id)],
  );
  const bySession = new Map(totals.map((total) => [total.session_id, total]));
  return roots.map((root) => {
    const total = bySession.get(root.run_id);
    return {
      session: root.run_id,
      agent: root.agent,
      status: root.status,
      startedBy: { kind: root.starter_kind, id: root.starter_id },
      key: root.start_key,
      startedAt: root.started_at,
      endedAt: root.ended_at,
      runs: total?.runs ?? 1,
      events: total?.events ?? 0,
      waits: (total?.waits ?? []).flatMap((waits) => JSON.parse(waits) as Wait[]),
    };
  });
}

function toRunSummary(row: RunRow): RunSummary {
  return {
    run: row.run_id,
    session: row.session_id,
    agent: row.agent,
    parent: row.parent_id,
    status: row.status,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    events: row.head_seq,
    waits: JSON.parse(row.waits) as Wait[],
  };
}
