import { sha256 } from "../core/canonical.ts";
import type { ChainedEvent } from "../core/chain.ts";
import type { Sql } from "../core/database.ts";
import type { EventData } from "../core/events.ts";
import type { Finding, Findings } from "./findings.ts";

/** So many causes are looked up in one statement, and so many payloads: each of these may be large. */
const CAUSES = 500;
const BLOBS = 8;

const BLOB_REFERENCE = /^\{"\$blob":"([0-9a-f]{64})","bytes":\d+\}$/;

const CAUSE_HASHES = `
select c.place, encode(e.hash, 'hex') as hash
from unnest($1::uuid[], $2::int[]) with ordinality as c(run_id, seq, place)
join events e on e.run_id = c.run_id and e.seq = c.seq`;

const BLOB_TEXTS = "select encode(hash, 'hex') as hash, data from blobs where hash = any($1::bytea[])";

/** The event that refers to something, without what it holds. */
type Place = Pick<ChainedEvent, "run" | "seq" | "at">;

interface Awaited {
  readonly event: Place;
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
  #blobs: { readonly event: Place; readonly hash: string }[] = [];

  constructor(sql: Sql, findings: Findings) {
    this.#sql = sql;
    this.#findings = findings;
  }

  /** Takes what an event of a sound chain refers to. */
  gather({ run, seq, at, data }: ChainedEvent): void {
    if (data === null || (seq !== 1 && !mayBeReference(data))) return;
    const event = { run, seq, at };
    const text = typeof data === "string" ? data : Buffer.from(data).toString();
    const hash = BLOB_REFERENCE.exec(text)?.[1];
    if (hash !== undefined) this.#blobs.push({ event, hash });
    if (seq !== 1) return;
    const { cause } = JSON.parse(text) as Partial<EventData<"run_started">>;
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

  #noteCause(event: Place): void {
    this.#note(event, "cause", "The event that caused this run is not the one that it names.");
  }

  #note(event: Place, about: Finding["about"], problem: string): void {
    this.#findings.note({ ...event, problem, about });
  }
}

const DOLLAR = "$".charCodeAt(0);

/** Told by one character, as nearly all events are none. */
function mayBeReference(data: string | Uint8Array): boolean {
  return typeof data === "string" ? data[2] === "$" : data[2] === DOLLAR;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MOST_SEQ = 2_147_483_647;

/** True for what Postgres can look up: whoever wrote over a run from its start may have named anything as its cause. */
function isPlace({ run, seq }: Awaited["cause"]): boolean {
  return UUID.test(run) && Number.isInteger(seq) && seq > 0 && seq <= MOST_SEQ;
}
