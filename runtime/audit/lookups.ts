import { sha256 } from "../core/canonical.ts";
import type { Sql } from "../core/database.ts";
import type { EventData } from "../core/events.ts";
import type { Finding, Findings } from "./findings.ts";
import { runOf, seqOf, timeOf, type EventRow } from "./pages.ts";

/** So many causes are looked up in one statement, and so many payloads: each of these may be large. */
const CAUSES = 500;
const BLOBS = 8;

const BLOB_REFERENCE = /^\{"\$blob":"([0-9a-f]{64})","bytes":\d+\}$/;

const CAUSE_HASHES = `
select c.place, encode(e.hash, 'hex') as hash
from unnest($1::uuid[], $2::int[]) with ordinality as c(run_id, seq, place)
join events e on e.run_id = c.run_id and e.seq = c.seq`;

const BLOB_TEXTS = "select encode(hash, 'hex') as hash, data from blobs where hash = any($1::bytea[])";

interface Awaited {
  readonly event: EventRow;
  readonly cause: { readonly run: string; readonly seq: number; readonly hash: string };
}

/**
 * What events refer to elsewhere: the events that caused runs, and payloads that are stored apart. They are gathered
 * while events are gone through and looked up together.
 */
export class Lookups {
  readonly #sql: Sql;
  readonly #findings: Findings;
  #causes: Awaited[] = [];
  #blobs: { readonly event: EventRow; readonly hash: string }[] = [];

  constructor(sql: Sql, findings: Findings) {
    this.#sql = sql;
    this.#findings = findings;
  }

  /** Takes what an event of a sound chain refers to. */
  gather(event: EventRow, seq: number): void {
    const { data } = event;
    if (data === null) return;
    const hash = data.startsWith('{"$blob":') ? BLOB_REFERENCE.exec(data)?.[1] : undefined;
    if (hash !== undefined) this.#blobs.push({ event, hash });
    if (seq !== 1) return;
    const { cause } = JSON.parse(data) as Partial<EventData<"run_started">>;
    if (cause && isPlace(cause)) this.#causes.push({ event, cause });
    else if (cause) this.#noteCause(event);
  }

  /** Looks up what has become enough for a statement. */
  async relieve(): Promise<void> {
    if (this.#causes.length >= CAUSES) await this.#lookUpCauses();
    while (this.#blobs.length >= BLOBS) await this.#lookUpBlobs();
  }

  /** Looks up all that is left. */
  async settle(): Promise<void> {
    if (this.#causes.length > 0) await this.#lookUpCauses();
    while (this.#blobs.length > 0) await this.#lookUpBlobs();
  }

  /** A run that another run caused names the hash of the causing event. */
  async #lookUpCauses(): Promise<void> {
    const asked = this.#causes;
    this.#causes = [];
    const rows = await this.#sql.query<{ place: number; hash: string }>(
      CAUSE_HASHES,
      [asked.map(({ cause }) => cause.run), asked.map(({ cause }) => cause.seq)],
      "audit_causes",
    );
    const hashes = new Map(rows.map(({ place, hash }) => [place, hash]));
    for (const [i, { event, cause }] of asked.entries()) {
      if (hashes.get(i + 1) === cause.hash) continue;
      this.#noteCause(event);
    }
  }

  /** A payload that is stored apart is what its event says. */
  async #lookUpBlobs(): Promise<void> {
    const asked = this.#blobs.splice(0, BLOBS);
    const rows = await this.#sql.query<{ hash: string; data: string }>(BLOB_TEXTS, [
      asked.map(({ hash }) => Buffer.from(hash, "hex")),
    ]);
    const sound = new Set(rows.filter(({ hash, data }) => sha256(data) === hash).map(({ hash }) => hash));
    for (const { event, hash } of asked) {
      if (!sound.has(hash)) this.#note(event, "run", "The payload that is stored apart is not what was recorded.");
    }
  }

  #noteCause(event: EventRow): void {
    this.#note(event, "cause", "The event that caused this run is not the one that it names.");
  }

  #note(event: EventRow, about: Finding["about"], problem: string): void {
    this.#findings.note({ run: runOf(event), seq: seqOf(event), problem, about, at: timeOf(event) });
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MOST_SEQ = 2_147_483_647;

/** True for what Postgres can look up: whoever wrote over a run from its start may have named anything as its cause. */
function isPlace({ run, seq }: Awaited["cause"]): boolean {
  return UUID.test(run) && Number.isInteger(seq) && seq > 0 && seq <= MOST_SEQ;
}
