import { sha256 } from "../core/canonical.ts";
import { verifyChain, type ChainFault, type StoredEvent } from "../core/chain.ts";
import type { Database } from "../core/database.ts";
import type { VerifyReport } from "../core/protocol.ts";

interface HeadRow {
  readonly run_id: string;
  readonly head_seq: number;
  readonly head_hash: string;
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
 * @returns the first bad event, in the order of run ids and sequence numbers.
 */
export async function verify(database: Database, session: string | null): Promise<VerifyReport> {
  let after = "00000000-0000-0000-0000-000000000000";
  let runs = 0;
  let events = 0;
  let firstBad: VerifyReport["firstBad"] = null;
  for (;;) {
    const heads = await database.query<HeadRow>(
      `select run_id, head_seq, encode(head_hash, 'hex') as head_hash from runs
       where run_id > $1 and ($2::uuid is null or session_id = $2) order by run_id limit $3`,
      [after, session, RUNS_A_PAGE],
    );
    if (heads.length === 0) break;
    after = heads.at(-1)?.run_id ?? after;
    runs += heads.length;
    const stored = await readEvents(database, heads);
    for (const head of heads) {
      const chain = stored.get(head.run_id) ?? [];
      events += chain.length;
      firstBad ??= await checkRun(database, head, chain);
    }
  }
  return { verified: firstBad === null && runs > 0, runs, events, firstBad };
}

async function readEvents(database: Database, heads: readonly HeadRow[]): Promise<Map<string, StoredEvent[]>> {
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

async function checkRun(
  database: Database,
  head: HeadRow,
  chain: readonly StoredEvent[],
): Promise<VerifyReport["firstBad"]> {
  const bad = verifyChain(chain, { seq: head.head_seq, hash: head.head_hash });
  if (bad) return { run: head.run_id, seq: bad.seq, problem: FAULTS[bad.fault] };
  return (await checkCause(database, chain)) ?? (await checkBlobs(database, chain));
}

/** A run that another run caused names the hash of the causing event. */
async function checkCause(database: Database, chain: readonly StoredEvent[]): Promise<VerifyReport["firstBad"]> {
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
  };
}

const BLOB_REFERENCE = /^\{"\$blob":"([0-9a-f]{64})","bytes":\d+\}$/;

/** A payload that is stored apart is what its event says. */
async function checkBlobs(database: Database, chain: readonly StoredEvent[]): Promise<VerifyReport["firstBad"]> {
  for (const event of chain) {
    const hash = BLOB_REFERENCE.exec(event.data ?? "")?.[1];
    if (hash === undefined) continue;
    const [blob] = await database.query<{ data: string }>("select data from blobs where hash = decode($1, 'hex')", [
      hash,
    ]);
    if (!blob || sha256(blob.data) !== hash) {
      return { run: event.run, seq: event.seq, problem: "The payload that is stored apart is not what was recorded." };
    }
  }
  return null;
}
