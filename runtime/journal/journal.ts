import { canonicalJson } from "../core/canonical.ts";
import type { Clock } from "../core/clock.ts";
import type { Database, Sql } from "../core/database.ts";
import type { JournalEvent, NewEvent } from "../core/events.ts";
import type {
  AgentLimit,
  Appended,
  AppendOptions,
  BegunClaim,
  Claim,
  Claimant,
  ClaimAny,
  Journal,
  MailboxMessage,
  NewRun,
  Renewed,
  RunHead,
} from "../core/journal.ts";
import type { JsonValue } from "../core/json.ts";
import { GENESIS } from "../core/chain.ts";
import { beginRun, createRun } from "./create-run.ts";
import { CorruptJournalError } from "./errors.ts";
import {
  claimAnyOf,
  claimRunsOf,
  DELIVER,
  LOCK_LIMIT,
  MAILBOX,
  READ_BLOBS,
  READ_RUN,
  READ_RUNS,
  RELEASE,
  RENEW,
  STARTED_WITH,
  UNDER_WAY,
  WITH_MAIL,
} from "./sql.ts";
import { blobOf, hexToBytes } from "./payload.ts";
import type { JournalWriter } from "./writer.ts";

interface ClaimRow {
  readonly run_id: string;
  readonly session_id: string;
  readonly agent: string;
  readonly agent_version: string;
  readonly epoch: number;
  readonly head_seq: number;
  readonly head_hash: string;
  readonly starter_kind: Claim["startedBy"]["kind"];
  readonly starter_id: string;
  readonly depth: number;
  readonly parent_id: string | null;
  readonly solo_crashes: number;
  readonly empty_up_to: number | null;
  readonly only_event: string | null;
  readonly claimed_at: number;
}

export interface EventRow {
  readonly run_id: string;
  readonly seq: number;
  readonly type: string;
  readonly v: number;
  readonly at: number;
  readonly data: string;
  readonly hash: string;
}

/** A renewal tries locked rows again for this share of the lease, and no longer than this. */
const LOCKED_SHARE = 6;
const LOCKED_AT_MOST_MS = 1_000;
const LOCKED_DELAY_MS = 50;

/** The journal on Postgres. Appends go through the process's one writer, all else through the pool. */
export class PostgresJournal implements Journal {
  readonly #database: Database;
  readonly #heartbeat: Database;
  readonly #writer: JournalWriter;
  readonly #clock: Clock;

  /** @param options.heartbeat renews leases; by default what does everything else */
  constructor(options: {
    readonly database: Database;
    readonly heartbeat?: Database;
    readonly writer: JournalWriter;
    readonly clock: Clock;
  }) {
    this.#database = options.database;
    this.#heartbeat = options.heartbeat ?? options.database;
    this.#writer = options.writer;
    this.#clock = options.clock;
  }

  append(head: RunHead, events: readonly NewEvent[], options?: AppendOptions): Appended {
    return this.#writer.append(head, events, options);
  }

  create(run: NewRun, claimFor?: { readonly worker: string; readonly leaseMs: number }): Promise<Claim | null> {
    return createRun(this.#database, this.#clock, run, claimFor);
  }

  begin(
    run: NewRun,
    claimFor: { readonly worker: string; readonly leaseMs: number },
    { linger = true }: { readonly linger?: boolean } = {},
  ): BegunClaim {
    return beginRun(this.#writer, this.#clock, run, { ...claimFor, linger });
  }

  async startedWith(agent: string, key: string): Promise<{ readonly run: string; readonly input: JsonValue } | null> {
    const rows = await this.#database.query<EventRow>(STARTED_WITH, [agent, key], "started_with");
    const [first] = toEvents(await withBlobs(this.#database, rows), GENESIS);
    return first?.type === "run_started" ? { run: first.run, input: first.data.input } : null;
  }

  claim(runs: readonly string[], claimant: Claimant, limit?: AgentLimit): Promise<Claim[]> {
    const claimRuns = (sql: Sql, atMost: number): Promise<Claim[]> =>
      this.#claim(sql, claimRunsOf(claimant.take), claimant, [runs, atMost], "claim_runs");
    if (!limit) return claimRuns(this.#database, runs.length);
    return this.#database.transaction(async (sql) => {
      const left = await leftOf(sql, limit);
      return left > 0 ? claimRuns(sql, left) : [];
    });
  }

  async claimAny(claim: ClaimAny): Promise<Claim[]> {
    const { versions, limit, olderThanMs, room, limits = [] } = claim;
    const rooms = new Map([...versions.keys()].map((agent) => [agent, Math.min(limit, room?.get(agent) ?? limit)]));
    const claimOf = (sql: Sql): Promise<Claim[]> =>
      this.#claim(
        sql,
        claimAnyOf(claim.take),
        claim,
        [[...rooms.values()].map((most) => Math.max(0, most)), olderThanMs, limit],
        "claim_any",
      );
    if (limits.length === 0) return claimOf(this.#database);
    return this.#database.transaction(async (sql) => {
      for (const bound of limits) {
        const most = rooms.get(bound.agent) ?? 0;
        if (most > 0) rooms.set(bound.agent, Math.min(most, await leftOf(sql, bound)));
      }
      return claimOf(sql);
    });
  }

  async #claim(sql: Sql, text: string, claimant: Claimant, more: unknown[], name: string): Promise<Claim[]> {
    const { worker, leaseMs, take, versions } = claimant;
    // The deadline counts from before the question: the lease that Postgres grants can only end later.
    const deadlineMs = this.#clock.monotonicMs() + leaseMs;
    const rows = await sql.query<ClaimRow>(
      text,
      [worker, leaseMs, take === "suspects", [...versions.keys()], [...versions.values()], ...more],
      `${name}_${take}`,
    );
    const monotonicMs = this.#clock.monotonicMs();
    return rows.map((row) => ({
      head: {
        run: row.run_id,
        session: row.session_id,
        agent: row.agent,
        epoch: row.epoch,
        seq: row.head_seq,
        hash: row.head_hash,
      },
      version: row.agent_version,
      startedBy: { kind: row.starter_kind, id: row.starter_id },
      depth: row.depth,
      parent: row.parent_id,
      deadlineMs,
      claimedAt: { epochMs: row.claimed_at, monotonicMs },
      soloCrashes: row.solo_crashes,
      ...(row.empty_up_to === null ? {} : { emptyUpTo: row.empty_up_to }),
      ...onlyEvent(row),
    }));
  }

  async withMail(runs: readonly string[]): Promise<string[]> {
    const rows = await this.#database.query<{ run_id: string }>(WITH_MAIL, [runs], "with_mail");
    return rows.map((row) => row.run_id);
  }

  async renew(heads: readonly RunHead[], worker: string, leaseMs: number): Promise<Renewed> {
    const askedAtMs = this.#clock.monotonicMs();
    const held = new Set<string>();
    const gone = new Set<string>();
    // What is not there yet nobody else can have taken: its lease stands as it stood.
    let left = heads.filter((head) => !this.#writer.recording(head));
    for (let round = 1; ; round++) {
      if (left.length === 0) return { held, gone, deadlineMs: askedAtMs + leaseMs };
      const rows = await this.#heartbeat.query<{ run_id: string; answer: "held" | "gone" | "locked" }>(
        RENEW,
        [left.map((head) => head.run), left.map((head) => head.epoch), worker, leaseMs],
        "renew",
      );
      for (const { run_id: run, answer } of rows) {
        if (answer === "held") held.add(run);
        else if (answer === "gone") gone.add(run);
      }
      left = left.filter(({ run }) => !held.has(run) && !gone.has(run));
      // A busy run's row is locked by its own appends again and again, each time for a moment only.
      const over = this.#clock.monotonicMs() - askedAtMs > Math.min(leaseMs / LOCKED_SHARE, LOCKED_AT_MOST_MS);
      if (over) return { held, gone, deadlineMs: askedAtMs + leaseMs };
      await new Promise((resolve) => setTimeout(resolve, Math.min(5 * round, LOCKED_DELAY_MS)));
    }
  }

  async release(head: RunHead, options: { readonly endedEarly?: boolean } = {}): Promise<void> {
    // What is on its way there can only be given back once it has come; and what did not come is not there.
    await this.#writer.recording(head)?.catch(() => undefined);
    await this.#database.query(RELEASE, [head.run, head.epoch, options.endedEarly ?? false]);
  }

  async read(run: string, after = 0): Promise<JournalEvent[]> {
    const rows = await this.#database.query<EventRow>(READ_RUN, [run, after], "read_run");
    return toEvents(await withBlobs(this.#database, rows), GENESIS).filter((event) => event.seq > after);
  }

  /**
   * The next events of each of these runs: none for a run that has no more.
   *
   * @param limit at most so many of each; null for all
   */
  async readRuns(
    runs: readonly { readonly run: string; readonly after: number }[],
    limit: number | null,
  ): Promise<JournalEvent[][]> {
    const rows = await this.#database.query<EventRow>(
      READ_RUNS,
      // The event before comes as well, for its hash.
      [runs.map(({ run }) => run), runs.map(({ after }) => after), limit === null ? null : limit + 1],
      "read_runs",
    );
    const byRun = new Map<string, EventRow[]>();
    for (const row of await withBlobs(this.#database, rows)) {
      const of = byRun.get(row.run_id);
      if (of) of.push(row);
      else byRun.set(row.run_id, [row]);
    }
    return runs.map(({ run, after }) =>
      toEvents(byRun.get(run) ?? [], GENESIS)
        .filter((event) => event.seq > after)
        .slice(0, limit ?? undefined),
    );
  }

  async mailbox(run: string): Promise<{ readonly messages: readonly MailboxMessage[]; readonly upTo: number }> {
    const rows = await this.#database.query<{
      mailbox_seq: number;
      msg_id: string | null;
      kind: MailboxMessage["kind"];
      data: string;
    }>(MAILBOX, [run], "mailbox");
    return {
      messages: rows
        .filter((row) => row.msg_id !== null)
        .map((row) => ({ id: row.msg_id ?? "", kind: row.kind, data: JSON.parse(row.data) as JsonValue })),
      upTo: rows[0]?.mailbox_seq ?? 0,
    };
  }

  async deliver(run: string, message: MailboxMessage): Promise<{ delivered: boolean; agent: string | null }> {
    const [row] = await this.#database.query<{ agent: string; delivered: boolean }>(
      DELIVER,

      [run, message.id, message.kind, canonicalJson(message.data)],
      "deliver",
    );
    return { delivered: row?.delivered ?? false, agent: row?.agent ?? null };
  }
}

/** Names the locks that keep two workers from counting an agent's runs at once; any constant will do. */
const LIMIT_LOCK = 7_271_904;

/** How many more runs of an agent may be under way; 0 while another worker is claiming some. */
async function leftOf(sql: Sql, { agent, atMost }: AgentLimit): Promise<number> {
  const [lock] = await sql.query<{ locked: boolean }>(LOCK_LIMIT, [agent, LIMIT_LOCK], "lock_limit");
  if (lock?.locked !== true) return 0;
  const [counted] = await sql.query<{ under_way: number }>(UNDER_WAY, [agent], "under_way");
  return atMost - (counted?.under_way ?? atMost);
}

/** The rows with the payloads that were stored apart. */
export async function withBlobs<Row extends { readonly data: string }>(sql: Sql, rows: readonly Row[]): Promise<Row[]> {
  const wanted = new Set(rows.map((row) => blobOf(row.data)).filter((hash) => hash !== undefined));
  if (wanted.size === 0) return [...rows];
  const blobs = await sql.query<{ hash: string; data: string }>(READ_BLOBS, [[...wanted].map(hexToBytes)]);
  const byHash = new Map(blobs.map((blob) => [blob.hash, blob.data]));
  return rows.map((row) => {
    const hash = blobOf(row.data);
    if (hash === undefined) return row;
    const data = byHash.get(hash);
    if (data === undefined) {
      throw new CorruptJournalError(
        `A payload is missing: the record refers to the blob ${hash}, which is not there. Run "signalbox audit verify" to see what else is affected.`,
        { details: { blob: hash } },
      );
    }
    return { ...row, data };
  });
}

/** What was claimed with its only event, where that has its payload with it. */
function onlyEvent({ only_event: text }: ClaimRow): Pick<Claim, "events"> {
  if (text === null) return {};
  const row = JSON.parse(text) as EventRow;
  return blobOf(row.data) === undefined ? { events: toEvents([row], GENESIS) } : {};
}

/** Rows of one run, in order, as events. `prev` is the hash before the first of them, where it is known. */
export function toEvents(rows: readonly EventRow[], prev: string): JournalEvent[] {
  let last = prev;
  return rows.map((row) => {
    const event = {
      run: row.run_id,
      seq: row.seq,
      type: row.type,
      v: row.v,
      at: row.at,
      data: JSON.parse(row.data) as unknown,
      prev: last,
      hash: row.hash,
    } as JournalEvent;
    last = row.hash;
    return event;
  });
}
