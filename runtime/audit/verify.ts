import { sha256 } from "../core/canonical.ts";
import { verifyChain, type ChainFault, type StoredEvent } from "../core/chain.ts";
import type { Database, Sql } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import type { VerifyReport } from "../core/protocol.ts";

interface HeadRow {
  readonly run_id: string;
  readonly head_seq: number;
  readonly head_hash: string;
}

/** A bad event, and what decides which of several is named. */
interface Finding {
  readonly run: string;
  readonly seq: number;
  readonly problem: string;
  /** Whether the event contradicts its own run, or only the event that caused the run. */
  readonly about: "run" | "cause";
  /** When it was recorded, or the event before it if it is missing. Milliseconds since the epoch. */
  readonly at: number;
}

/** Runs are read in pages of this many, so that verifying takes the same memory however much there is. */
const RUNS_A_PAGE = 100;

const FAULTS: Readonly<Record<ChainFault, string>> = {
  missing: "The event is missing.",
  out_of_order: "The event is not where it was recorded.",
  altered: "The event is not what was recorded.",
  payload_missing: "The event's payload is missing.",
  head_mismatch: "The run goes on after its recorded end.",
};

/**
 * Recomputes every hash of one session, or of everything, from the stored text, and checks the links
 * between runs and the payloads that are stored apart.
 *
 * @returns the first bad event: the earliest one that contradicts its own run, or else the earliest start that
 *   its cause contradicts. (An altered event also contradicts the runs that it caused; they are not at fault.)
 * @throws `NotFoundError` if there is no such session.
 */
export async function verify(database: Database, session: string | null): Promise<VerifyReport> {
  let after = "00000000-0000-0000-0000-000000000000";
  let runs = 0;
  let events = 0;
  let first: Finding | null = null;
  for (;;) {
    const { heads, stored } = await readPage(database, session, after);
    if (heads.length === 0) break;
    after = heads.at(-1)?.run_id ?? after;
    runs += heads.length;
    for (const head of heads) {
      const chain = stored.get(head.run_id) ?? [];
      events += chain.length;
      const finding = await checkRun(database, head, chain);
      if (finding && (first === null || comesBefore(finding, first))) first = finding;
    }
  }
  if (runs === 0 && session !== null) {
    throw new NotFoundError(`There is no session ${session}. "npx signalbox sessions ls" shows what there is.`, {
      details: { session },
    });
  }
  const firstBad = first && { run: first.run, seq: first.seq, problem: first.problem };
  return { verified: firstBad === null && runs > 0, runs, events, firstBad };
}

/** Heads and events as they were at one moment: a run that goes on meanwhile has not more events than its head says. */
function readPage(
  database: Database,
  session: string | null,
  after: string,
): Promise<{ readonly heads: readonly HeadRow[]; readonly stored: ReadonlyMap<string, StoredEvent[]> }> {
  return database.transaction(async (sql) => {
    await sql.query("set transaction isolation level repeatable read, read only");
    const heads = await sql.query<HeadRow>(
      `select run_id, head_seq, encode(head_hash, 'hex') as head_hash from runs
       where run_id > $1 and ($2::uuid is null or session_id = $2) order by run_id limit $3`,
      [after, session, RUNS_A_PAGE],
    );
    return { heads, stored: await readEvents(sql, heads) };
  });
}

async function readEvents(database: Sql, heads: readonly HeadRow[]): Promise<Map<string, StoredEvent[]>> {
  const rows = await database.query<StoredEvent>(
    `select run_id as run, seq, type, v, at, data, salt, encode(payload_hash, 'hex') as "payloadHash", encode(hash, 'hex') as hash
     from events where run_id = any($1::uuid[]) order by run_id, seq`,
    [heads.map((head) => head.run_id)],
  );
  const byRun = new Map<string, StoredEvent[]>();
  for (const row of rows) {
    const events = byRun.get(row.run);
    if (events) events.push(row);
    else byRun.set(row.run, [row]);
  }
  return byRun;
}

function comesBefore(one: Finding, other: Finding): boolean {
  if (one.about !== other.about) return one.about === "run";
  return one.at < other.at;
}

async function checkRun(database: Database, head: HeadRow, chain: readonly StoredEvent[]): Promise<Finding | null> {
  const bad = verifyChain(chain, { seq: head.head_seq, hash: head.head_hash });
  if (bad) {
    const at = chain.findLast((event) => event.seq <= bad.seq)?.at ?? 0;
    return { run: head.run_id, seq: bad.seq, problem: FAULTS[bad.fault], about: "run", at };
  }
  return (await checkBlobs(database, chain)) ?? (await checkCause(database, chain));
}

/** A run that another run caused names the hash of the causing event. */
async function checkCause(database: Database, chain: readonly StoredEvent[]): Promise<Finding | null> {
  const [started] = chain;
  if (!started || started.data === null) return null;
  const { cause } = JSON.parse(started.data) as { cause?: { run: string; seq: number; hash: string } };
  if (!cause) return null;
  const [row] = await database.query<{ hash: string }>(
    "select encode(hash, 'hex') as hash from events where run_id = $1 and seq = $2",
    [cause.run, cause.seq],
  );
  if (row?.hash === cause.hash) return null;
  return {
    run: started.run,
    seq: started.seq,
    problem: "The event that caused this run is not the one that it names.",
    about: "cause",
    at: started.at,
  };
}

const BLOB_REFERENCE = /^\{"\$blob":"([0-9a-f]{64})","bytes":\d+\}$/;

/** A payload that is stored apart is what its event says. */
async function checkBlobs(database: Database, chain: readonly StoredEvent[]): Promise<Finding | null> {
  for (const event of chain) {
    const hash = BLOB_REFERENCE.exec(event.data ?? "")?.[1];
    if (hash === undefined) continue;
    const [blob] = await database.query<{ data: string }>("select data from blobs where hash = decode($1, 'hex')", [
      hash,
    ]);
    if (!blob || sha256(blob.data) !== hash) {
      const problem = "The payload that is stored apart is not what was recorded.";
      return { run: event.run, seq: event.seq, problem, about: "run", at: event.at };
    }
  }
  return null;
}
