import type { ChainedEvent } from "../core/chain.ts";
import type { BinaryRow, Transaction } from "../core/database.ts";

/** Where a run's chain has to end. */
export interface HeadRow {
  readonly run: string;
  readonly seq: number;
  readonly hash: string;
}

/** Goes through the events of one run after the other. */
export interface EventReader {
  /** The next event, of this run or of the one after the last. Its bytes are only there until this returns. */
  take(head: HeadRow, event: ChainedEvent): void;
  /** The run has no more events. Comes once for each, in their order. */
  end(head: HeadRow): void;
}

/** As many runs are gone through at a time. */
const HEADS = 500;
/** So many events come one after the other before anything else is asked on the same connection. */
const PAGE_EVENTS = 10_000;
/** Below every sequence number, also of events that somebody has put before a run's first. */
const BEFORE_ALL = -2_147_483_648;
const NIL = "00000000-0000-0000-0000-000000000000";

const SELECT_HEADS = "select run_id as run, head_seq as seq, encode(head_hash, 'hex') as hash from runs";

const HEADS_OF_ALL = `${SELECT_HEADS} where run_id > $1 order by run_id limit $2`;

const HEADS_OF_SESSION = `${SELECT_HEADS} where run_id > $1 and session_id = $3 order by run_id limit $2`;

/** What is copied takes no parameters: it looks them up in the transaction. */
const SET_PARAMETERS = `
select set_config('signalbox.runs', $1::uuid[]::text, true), set_config('signalbox.after', $2::int[]::text, true)`;

/**
 * One look into the primary key a run. The inner order keeps Postgres from doing it otherwise, and an outer one would
 * have it read and sort all events of all of these runs before it gives the first.
 */
const EVENTS = `
select e.* from unnest(current_setting('signalbox.runs')::uuid[], current_setting('signalbox.after')::int[])
  with ordinality as h(run_id, after, place)
cross join lateral (
  select h.place::int, seq, type, v, at, data, salt, payload_hash, hash
  from events where events.run_id = h.run_id and events.seq > h.after
  order by events.seq
) e limit ${String(PAGE_EVENTS)}`;

/**
 * Goes through all events of a session, or of everything: run after run by their ids, each run's in their order.
 *
 * @param between is called every so many events, for what else is to be asked on the same connection
 */
export async function readEvents(
  sql: Transaction,
  session: string | null,
  reader: EventReader,
  between: () => Promise<void>,
): Promise<void> {
  for (let heads = await headsAfter(sql, session, NIL); heads.length > 0;) {
    await readRuns(sql, heads, reader, between);
    heads = await headsAfter(sql, session, heads.at(-1)?.run ?? NIL);
  }
}

async function readRuns(
  sql: Transaction,
  heads: readonly HeadRow[],
  reader: EventReader,
  between: () => Promise<void>,
): Promise<void> {
  const runs = heads.map(({ run }) => run);
  /** The place in the heads of the run whose events come now. */
  let at = 0;
  const endUpTo = (place: number): HeadRow | undefined => {
    for (; at < place; at++) {
      const ended = heads[at];
      if (ended) reader.end(ended);
    }
    return heads[at];
  };
  let after = BEFORE_ALL;
  for (let events = PAGE_EVENTS; events === PAGE_EVENTS;) {
    await between();
    const from = at;
    await sql.query(SET_PARAMETERS, [runs.slice(from), runs.slice(from).map((_, i) => (i === 0 ? after : BEFORE_ALL))]);
    events = 0;
    await sql.forEach(EVENTS, (row) => {
      events++;
      const head = endUpTo(from + row.int32() - 1);
      if (!head) throw new Error("An event came of a run that was not asked for.");
      const event = eventOf(head.run, row);
      after = event.seq;
      reader.take(head, event);
    });
  }
  endUpTo(heads.length);
}

function headsAfter(sql: Transaction, session: string | null, after: string): Promise<HeadRow[]> {
  return session === null
    ? sql.query<HeadRow>(HEADS_OF_ALL, [after, HEADS], "audit_heads")
    : sql.query<HeadRow>(HEADS_OF_SESSION, [after, HEADS, session], "audit_heads_of_session");
}

function eventOf(run: string, row: BinaryRow): ChainedEvent {
  return {
    run,
    seq: row.int32(),
    type: row.text(),
    v: row.int16(),
    at: row.int64(),
    data: row.bytes(),
    salt: row.bytes(),
    payloadHash: row.hex(),
    hash: row.hex() ?? "",
  };
}
