import type { Sql } from "../core/database.ts";

/** Where a run's chain has to end. */
export interface HeadRow {
  readonly run: string;
  readonly seq: number;
  readonly hash: string;
}

/** An event, with what is hashed of it but for the payload put together by Postgres: that is a third less to read here. */
export interface EventRow {
  /** As `eventLines` in core has them. */
  readonly lines: string;
  readonly data: string | null;
  readonly salt: Uint8Array | null;
  readonly payloadHash: string | null;
  readonly hash: string;
}

/** The next events of some runs: run after run in the order of the heads, each run's in their order. */
export interface Page {
  readonly heads: readonly HeadRow[];
  readonly events: readonly EventRow[];
  /** True where the runs of these heads have no more events. */
  readonly last: boolean;
}

/** As many runs are gone through at a time. */
const HEADS = 500;
/** About as much is read at a time, in UTF-16 units: it has to fit into what the connection buffers. */
const PAGE_UNITS = 500_000;
const FEWEST_EVENTS = 50;
const MOST_EVENTS = 2_000;
/** Below every sequence number, also of events that somebody has put before a run's first. */
const BEFORE_ALL = -2_147_483_648;
const UUID_UNITS = 36;
const NIL = "00000000-0000-0000-0000-000000000000";

const SELECT_HEADS = "select run_id as run, head_seq as seq, encode(head_hash, 'hex') as hash from runs";

const HEADS_OF_ALL = `${SELECT_HEADS} where run_id > $1 order by run_id limit $2`;

const HEADS_OF_SESSION = `${SELECT_HEADS} where run_id > $1 and session_id = $3 order by run_id limit $2`;

/**
 * One look into the primary key a run. The inner order keeps Postgres from doing it otherwise, and an outer one would
 * have it read and sort all events of all of these runs before it gives the first.
 */
const EVENTS = `
select e.* from unnest($1::uuid[], $2::int[]) as h(run_id, after)
cross join lateral (
  select concat_ws(E'\\n', run_id, seq, type, v, at) as lines, data, salt, encode(payload_hash, 'hex') as "payloadHash",
    encode(hash, 'hex') as hash
  from events where events.run_id = h.run_id and events.seq > h.after
  order by events.seq
) e limit $3`;

/**
 * All events of a session, or of everything, in pages.
 *
 * @param between is called before each page is read, for what else is to be asked on the same connection
 */
export async function* pagesOfEvents(
  sql: Sql,
  session: string | null,
  between: () => Promise<void>,
): AsyncGenerator<Page, void> {
  let limit = FEWEST_EVENTS;
  for (let after = NIL; ;) {
    const heads = await headsAfter(sql, session, after);
    const lastHead = heads.at(-1);
    if (!lastHead) return;
    after = lastHead.run;
    const runs = heads.map(({ run }) => run);
    const read = runs.map(() => BEFORE_ALL);
    for (let from = 0, last = false; !last;) {
      await between();
      const events = await sql.query<EventRow>(EVENTS, [runs.slice(from), read.slice(from), limit], "audit_events");
      last = events.length < limit;
      yield { heads, events, last };
      const newest = events.at(-1);
      if (!newest) continue;
      from = runs.indexOf(runOf(newest), from);
      read[from] = seqOf(newest);
      const units = events.reduce((sum, event) => sum + (event.data?.length ?? 0) + event.lines.length, 0);
      limit = Math.max(FEWEST_EVENTS, Math.min(MOST_EVENTS, Math.ceil((PAGE_UNITS * events.length) / units)));
    }
  }
}

function headsAfter(sql: Sql, session: string | null, after: string): Promise<HeadRow[]> {
  return session === null
    ? sql.query<HeadRow>(HEADS_OF_ALL, [after, HEADS], "audit_heads")
    : sql.query<HeadRow>(HEADS_OF_SESSION, [after, HEADS, session], "audit_heads_of_session");
}

export function runOf(event: EventRow): string {
  return event.lines.slice(0, UUID_UNITS);
}

export function seqOf(event: EventRow): number {
  return Number.parseInt(event.lines.slice(UUID_UNITS + 1), 10);
}

/** When it was recorded, in milliseconds since the epoch. */
export function timeOf(event: EventRow): number {
  return Number(event.lines.slice(event.lines.lastIndexOf("\n") + 1));
}
