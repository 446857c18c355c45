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

/**
 * How much waits for each agent, and for how long the oldest of it: runs that are ready and messages that have not
 * reached their run. Counts walk partial indexes, so they cost what waits and not what there ever was.
 */
export async function queues(database: Database): Promise<QueueView[]> {
  const there = await workersThere(database);
  const [runs, mail] = await Promise.all([
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
    database.query<MailRow>(
      `select to_agent as agent, count(*)::int as waiting,
         max(extract(epoch from clock_timestamp() - created_at) * 1000)::float8 as oldest_ms
       from outbox where received_at is null group by to_agent`,
      [],
      "queues_mail",
    ),
  ]);
  const byAgent = new Map(runs.map((row) => [row.agent, row]));
  const mailOf = new Map(mail.map((row) => [row.agent, row]));
  const names = new Set([...byAgent.keys(), ...mailOf.keys(), ...there.versions.keys()]);
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
      lagMs: Math.round(Math.max(row?.oldest_ms ?? 0, waiting?.oldest_ms ?? 0)),
      versions: [...(there.versions.get(agent) ?? [])].sort(),
    };
  });
}
