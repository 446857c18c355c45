import type { Database } from "../../runtime/core/database.ts";
import type { Figures } from "./figures.ts";
import type { Fleet } from "./fleet.ts";
import { OURS, type Ground } from "./ground.ts";
import { CURRENT_TABLES, GROWING_TABLES, SLOW_TABLES, SMALLEST_TABLE } from "./tables.ts";

/** What was seen at one moment, by series: `memory/worker/heapUsed`. What could not be asked just then is left out. */
export interface Sample {
  readonly atMs: number;
  readonly values: ReadonlyMap<string, number>;
}

const ASK_WITHIN_MS = 3_000;

type Values = [series: string, value: number][];

/** Looks at everything that may grow: processes, connections, streams, tables, and what has not been done yet. */
export async function takeSample(ground: Ground, fleet: Fleet, atMs: number): Promise<Sample> {
  const parts = await Promise.all([
    memoryOf(fleet),
    postgresOf(ground.database),
    natsOf(ground.nats.monitor, fleet.lasting.pid).catch(() => []),
    tablesOf(ground.database),
    backlogOf(ground.database),
  ]);
  return { atMs, values: new Map(parts.flat()) };
}

/** One process after the other: a full collection takes a core. */
async function memoryOf(fleet: Fleet): Promise<Values> {
  const values: Values = [];
  for (const [name, process] of fleet.lastingOnes) {
    const figures: Figures | null = await process.figures();
    for (const [what, value] of Object.entries(figures ?? {})) values.push([`memory/${name}/${what}`, value as number]);
  }
  return values;
}

async function postgresOf(database: Database): Promise<Values> {
  const rows = await database.query<{ name: string; count: number }>(
    `select application_name as name, count(*)::int as count from pg_stat_activity
     where datname = current_database() and backend_type = 'client backend' and application_name <> $1
     group by application_name`,
    [OURS],
  );
  return rows.map(({ name, count }) => [`connections/postgres/${name}`, count]);
}

interface Connz {
  readonly connections: readonly { readonly name?: string; readonly subscriptions: number }[];
}
interface Jsz {
  readonly consumers: number;
  readonly messages: number;
  readonly bytes: number;
}

/** @throws where the server is away */
async function natsOf(monitor: string, lasting: number): Promise<Values> {
  const [{ connections }, { consumers, messages, bytes }] = await Promise.all([
    look<Connz>(`${monitor}/connz?limit=1000`),
    look<Jsz>(`${monitor}/jsz`),
  ]);
  const values: Values = [
    ["connections/nats/connections", connections.length],
    ["connections/nats/subscriptions", connections.reduce((sum, one) => sum + one.subscriptions, 0)],
    ["connections/nats/consumers", consumers],
    ["connections/nats/messages", messages],
    ["connections/nats/bytes", bytes],
  ];
  const ofWorker = connections.find(({ name }) => name?.startsWith(`worker-${String(lasting)}-`) === true);
  if (ofWorker) values.push(["connections/nats/worker subscriptions", ofWorker.subscriptions]);
  return values;
}

async function look<Answer>(url: string): Promise<Answer> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(ASK_WITHIN_MS) });
  return (await answer.json()) as Answer;
}

async function tablesOf(database: Database): Promise<Values> {
  const rows = await database.query<{ name: string; live: number; dead: number; bytes: number }>(
    `select relname as name, n_live_tup as live, n_dead_tup as dead, pg_total_relation_size(relid) as bytes
     from pg_stat_user_tables where relname = any($1)`,
    [[...CURRENT_TABLES, ...GROWING_TABLES]],
  );
  return rows.flatMap(({ name, live, dead, bytes }): Values => {
    if (CURRENT_TABLES.includes(name)) return [...inAll(name, dead, bytes), [`tables/${name}/rows`, live]];
    if (live >= SMALLEST_TABLE) {
      return [
        [`tables/${name}/bytes per row`, bytes / live],
        [`tables/${name}/dead per row`, dead / live],
      ];
    }
    return SLOW_TABLES.includes(name) ? inAll(name, dead, bytes) : [];
  });
}

function inAll(name: string, dead: number, bytes: number): Values {
  return [
    [`tables/${name}/dead`, dead],
    [`tables/${name}/bytes`, bytes],
  ];
}

async function backlogOf(database: Database): Promise<Values> {
  const [row] = await database.query<Record<string, number>>(
    `select count(*) filter (where status in ('ready', 'running'))::int as "runs that could go on",
       count(*) filter (where status = 'parked')::int as "runs that wait",
       count(*) filter (where status = 'quarantined')::int as "runs in quarantine",
       (select count(*)::int from outbox where taken_at is null and dead_at is null and withdrawn_at is null) as messages,
       (select count(*)::int from approvals where status = 'pending') as approvals,
       (select count(*)::int from questions where status = 'open') as questions,
       (select count(*)::int from doubts where resolved_at is null) as doubts
     from runs where status in ('ready', 'running', 'parked', 'quarantined')`,
    [],
  );
  return Object.entries(row ?? {}).map(([name, count]) => [`backlog/${name}`, count]);
}
