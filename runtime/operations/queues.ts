import type { Database } from "../core/database.ts";
import type { QueueView } from "../core/protocol.ts";
import { workersThere } from "./workers-there.ts";

interface Row {
  readonly agent: string;
  readonly ready: number;
  readonly running: number;
  readonly parked: number;
  readonly quarantined: number;
  readonly oldest_ms: number | null;
}

interface MailRow {
  readonly agent: string;
  readonly waiting: number;
  readonly oldest_ms: number | null;
}

interface ListenerRow {
  readonly agent: string;
  readonly queue: number;
}

interface DeadRow {
  readonly agent: string;
  readonly dead: number;
}

/** Messages that nobody has received: the condition of a partial index, word for word. */
export const WAITING_MAIL = `
select to_agent as agent, count(*)::int as waiting,
  max(extract(epoch from clock_timestamp() - created_at) * 1000)::float8 as oldest_ms
from outbox where taken_at is null and dead_at is null group by to_agent`;

/** Dead letters that nobody has seen to. */
export const OPEN_DEAD_LETTERS = `
select agent, count(*)::int as dead from dead_letters where settled_at is null group by agent`;

/**
 * How much waits for each agent, and for how long the oldest of it: runs that are ready, and messages that no run has
 * received; and how many messages came to nothing. Counts walk partial indexes, so they cost what waits and not what
 * there ever was.
 */
export async function queues(database: Database): Promise<QueueView[]> {
  const there = await workersThere(database);
  const [runs, mail, listeners, dead] = await Promise.all([
    database.query<Row>(
      `select agent, count(*) filter (where status = 'ready')::int as ready,
         count(*) filter (where status = 'running')::int as running,
         count(*) filter (where status = 'parked')::int as parked,
         count(*) filter (where status = 'quarantined')::int as quarantined,
         max(extract(epoch from clock_timestamp() - ready_at) * 1000) filter (
           where status = 'ready' and ready_at <= clock_timestamp())::float8 as oldest_ms
       from runs where status in ('ready', 'running', 'parked', 'quarantined') group by agent`,
      [],
      "queues",
    ),
    database.query<MailRow>(WAITING_MAIL, [], "queues_mail"),
    database.query<ListenerRow>("select agent, queue from listeners", [], "queues_listeners"),
    database.query<DeadRow>(OPEN_DEAD_LETTERS, [], "queues_dead"),
  ]);
  const byAgent = new Map(runs.map((row) => [row.agent, row]));
  const mailOf = new Map(mail.map((row) => [row.agent, row]));
  const limitOf = new Map(listeners.map((row) => [row.agent, row.queue]));
  const deadOf = new Map(dead.map((row) => [row.agent, row.dead]));
  const names = new Set([...byAgent.keys(), ...mailOf.keys(), ...deadOf.keys(), ...there.versions.keys()]);
  return [...names].sort().map((agent) => {
    const row = byAgent.get(agent);
    const waiting = mailOf.get(agent);
    return {
      agent,
      ready: row?.ready ?? 0,
      running: row?.running ?? 0,
      parked: row?.parked ?? 0,
      quarantined: row?.quarantined ?? 0,
      messages: waiting?.waiting ?? 0,
      limit: limitOf.get(agent) ?? null,
      deadLetters: deadOf.get(agent) ?? 0,
      lagMs: Math.round(Math.max(row?.oldest_ms ?? 0, waiting?.oldest_ms ?? 0)),
      versions: [...(there.versions.get(agent) ?? [])].sort(),
    };
  });
}
