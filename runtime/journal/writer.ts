import { canonicalJson } from "../core/canonical.ts";
import type { Clock } from "../core/clock.ts";
import { EVENT_VERSION, type JournalEvent, type NewEvent, type RunStatus } from "../core/events.ts";
import type { Appended, AppendOptions, RunHead, ViewWrite } from "../core/journal.ts";
import { eventHash, payloadHash } from "../core/chain.ts";
import { IDLE_IN_TRANSACTION_MS, openConnection, type Connection } from "./database.ts";
import { DatabaseBusyError, DatabaseUnavailableError, FencedError } from "./errors.ts";
import { hexToBytes, storedPayload } from "./payload.ts";
import { APPEND, APPEND_BLOBS } from "./sql.ts";
import { lockViews, writeView } from "./views.ts";

export interface WriterOptions {
  readonly url: string;
  readonly clock: Clock;
  /** Told after each commit which runs moved, and how far. */
  readonly onCommitted?: (heads: readonly RunHead[], events: readonly JournalEvent[]) => void;
}

/** One event as it goes into the batch's columns. */
interface Row {
  readonly event: JournalEvent;
  readonly text: string;
}

interface Item {
  readonly head: RunHead;
  /** The head as it was before this append. */
  readonly fromSeq: number;
  readonly fromHash: string;
  readonly rows: readonly Row[];
  readonly blobs: ReadonlyMap<string, string>;
  readonly options: AppendOptions;
  readonly views: readonly ViewWrite[];
  readonly settle: { resolve: (status: RunStatus) => void; reject: (error: unknown) => void };
}

/** All outstanding appends of one run: they become one compare-and-set. */
interface Group {
  readonly head: RunHead;
  readonly items: Item[];
}

interface Answer {
  readonly run_id: string;
  readonly accepted: boolean;
  /** False where somebody else has locked the row: nothing was tried. */
  readonly locked: boolean;
  readonly status: RunStatus | null;
  /** Of a refused group: the head that is there, if the run still is this holder's. */
  readonly stored_head: string | null;
}

const BUSY_DELAY_MS = 2;
const LONGEST_BUSY_DELAY_MS = 50;
/** How long one run's row beside the events may keep the appends of the others waiting. */
const LOCK_TIMEOUT_MS = 250;
const RECONNECT_DELAYS_MS = [50, 100, 250, 500, 1000, 2000];

/**
 * The one writer of a process. Appends of all its runs that come while a commit is under way go out
 * together in the next one, so that a busy worker pays far less than one statement a step. A run's
 * append is a compare-and-set on (epoch, head): a refusal concerns that run alone. A row that somebody
 * else has locked is skipped and tried again, so one run's trouble never waits in front of the others.
 */
export class JournalWriter {
  readonly #options: WriterOptions;
  #queue: Item[] = [];
  #flushing: Promise<void> | null = null;
  #connection: Connection | null = null;
  #closed = false;
  /** Runs whose appends were refused: nothing after a refused append can be right. */
  readonly #broken = new WeakMap<RunHead, unknown>();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  append(head: RunHead, events: readonly NewEvent[], options: AppendOptions = {}): Appended {
    const broken = this.#closed ? new FencedError("The journal's writer is closed.") : this.#broken.get(head);
    if (broken !== undefined) return { events: [], durable: rejected(broken) };
    const fromSeq = head.seq;
    const fromHash = head.hash;
    // All of it first: an event that cannot be written must not leave the head half moved.
    const payloads = events.map((event) => storedPayload(event.data));
    const blobs = new Map(payloads.flatMap(({ blob }) => (blob ? [[blob.hash, blob.text] as const] : [])));
    const rows = events.map((event, i) => this.#place(head, event, payloads[i]?.text ?? ""));
    const placed = rows.map((row) => row.event);
    const views = typeof options.views === "function" ? options.views(placed) : (options.views ?? []);
    const durable = new Promise<RunStatus>((resolve, reject) => {
      this.#queue.push({ head, fromSeq, fromHash, rows, blobs, options, views, settle: { resolve, reject } });
    });
    // Whoever waits sees the error; an append that nobody waits for reports it through the next one.
    durable.catch(() => undefined);
    this.#flushing ??= this.#flush();
    return { events: placed, durable };
  }

  /** Gives an event its place: the head moves now, so the next append chains on this one. */
  #place(head: RunHead, event: NewEvent, text: string): Row {
    const prev = head.hash;
    const placed = {
      run: head.run,
      seq: head.seq + 1,
      type: event.type,
      v: EVENT_VERSION,
      at: Math.trunc(this.#options.clock.now()),
    };
    const hash = eventHash(placed, prev, payloadHash(text, null));
    head.seq = placed.seq;
    head.hash = hash;
    return { event: { ...placed, data: event.data, prev, hash } as JournalEvent, text };
  }

  async #flush(): Promise<void> {
    // One turn of the event loop: what other runs append meanwhile shares the commit.
    await new Promise((resolve) => setImmediate(resolve));
    let busyRounds = 0;
    while (this.#queue.length > 0) {
      const { groups, later } = grouped(this.#queue);
      this.#queue = later;
      const again = await this.#commit(groups);
      this.#queue = [...again.flatMap((group) => group.items), ...this.#queue];
      busyRounds = again.length === 0 ? 0 : busyRounds + 1;
      // Nothing but rows that somebody else has locked: a short while, and longer the longer it takes.
      if (this.#queue.length > 0 && again.length === groups.length) {
        await delay(Math.min(BUSY_DELAY_MS * busyRounds, LONGEST_BUSY_DELAY_MS));
      }
    }
    this.#flushing = null;
  }

  /**
   * Commits groups together; where the batch itself fails, halves it until the one that is at fault
   * stands alone. Gives back the groups whose row was locked.
   */
  async #commit(groups: Group[]): Promise<Group[]> {
    let answers: Answer[];
    try {
      answers = await this.#send(groups);
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) return this.#recover(groups, error);
      const [only, ...rest] = groups;
      if (only !== undefined && rest.length === 0) {
        // Nothing is wrong with the append, it was only unlucky.
        if (error instanceof DatabaseBusyError) return [only];
        this.#refuse(only, error);
        return [];
      }
      const middle = groups.length >> 1;
      return [...(await this.#commit(groups.slice(0, middle))), ...(await this.#commit(groups.slice(middle)))];
    }
    return this.#settle(groups, answers);
  }

  async #send(groups: Group[]): Promise<Answer[]> {
    const connection = (this.#connection ??= await this.#connect());
    const views = groups.flatMap((group) => group.items.flatMap((item) => item.views));
    const blobs = new Map(groups.flatMap((group) => group.items.flatMap((item) => [...item.blobs])));
    const values = columns(groups);
    // Nothing beside the events: one statement is the transaction.
    if (views.length === 0 && blobs.size === 0) return connection.query<Answer>(APPEND, values, "append");
    await connection.query("begin");
    try {
      // Whoever decides locks the approval before the run: in the other order the two would wait for each other.
      await lockViews(
        connection,
        groups.flatMap((group) =>
          group.items.flatMap((item) =>
            item.views.map((view) => ({ run: group.head.run, session: group.head.session, view })),
          ),
        ),
      );
      if (blobs.size > 0)
        await connection.query(APPEND_BLOBS, [[...blobs.keys()].map(hexToBytes), [...blobs.values()]]);
      const answers = await connection.query<Answer>(APPEND, values, "append");
      const accepted = new Set(answers.filter((answer) => answer.accepted).map((answer) => answer.run_id));
      for (const group of groups) {
        if (!accepted.has(group.head.run)) continue;
        for (const item of group.items) {
          for (const view of item.views) await writeView(connection, item.head, view);
        }
      }
      await connection.query("commit");
      return answers;
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) await connection.query("rollback");
      throw error;
    }
  }

  #settle(groups: Group[], answers: readonly Answer[]): Group[] {
    const byRun = new Map(answers.map((answer) => [answer.run_id, answer]));
    const again: Group[] = [];
    const done: Group[] = [];
    for (const group of groups) {
      const answer = byRun.get(group.head.run);
      if (answer?.accepted === true) done.push(group);
      else if (answer?.locked === false) again.push(group);
      else {
        const { there, left } = splitAt(group, answer?.stored_head ?? null);
        if (!there) {
          this.#refuse(group, fenced(group.head));
          continue;
        }
        done.push(there);
        if (left) again.push(left);
      }
    }
    if (done.length > 0) {
      try {
        this.#options.onCommitted?.(
          done.map((group) => group.head),
          done.flatMap((group) => group.items.flatMap((item) => item.rows.map((row) => row.event))),
        );
      } catch {
        // It is committed, whoever could not be told of it: consoles look again by themselves.
      }
    }
    for (const group of done) {
      const status = byRun.get(group.head.run)?.status ?? "running";
      for (const item of group.items) item.settle.resolve(status);
    }
    return again;
  }

  #refuse(group: Group, error: unknown): void {
    this.#broken.set(group.head, error);
    for (const item of group.items) item.settle.reject(error);
    // What was appended after the refused events chains on them, so it can never be right either.
    const orphans = this.#queue.filter((item) => item.head === group.head);
    this.#queue = this.#queue.filter((item) => item.head !== group.head);
    for (const item of orphans) item.settle.reject(error);
  }

  /**
   * The connection broke, perhaps after the commit, and perhaps the commit is still under way: reconnects, and
   * sends the same again. It is refused where it is in the journal already, and then the head that is there says so.
   */
  async #recover(groups: Group[], error: DatabaseUnavailableError): Promise<Group[]> {
    this.#connection = null;
    for (const delayMs of RECONNECT_DELAYS_MS) {
      await delay(delayMs);
      try {
        this.#connection ??= await this.#connect();
        return groups;
      } catch {
        // Not back yet.
      }
    }
    for (const group of groups) this.#refuse(group, error);
    return [];
  }

  async #connect(): Promise<Connection> {
    const connection = await openConnection({
      url: this.#options.url,
      applicationName: "signalbox-journal",
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      idleInTransactionMs: IDLE_IN_TRANSACTION_MS,
    });
    connection.onBreak(() => {
      if (this.#connection === connection) this.#connection = null;
    });
    return connection;
  }

  /** Waits for what was appended, then closes. */
  async close(): Promise<void> {
    while (this.#flushing) await this.#flushing;
    this.#closed = true;
    await this.#connection?.end();
    this.#connection = null;
  }
}

function columns(groups: Group[]): unknown[] {
  const heads: unknown[][] = [[], [], [], [], [], [], [], [], [], []];
  const events: unknown[][] = [[], [], [], [], [], [], []];
  for (const group of groups) {
    const first = group.items[0];
    if (!first) continue;
    const { status, waits, wakeAt, mailboxTaken } = merged(group);
    const last = group.items.at(-1)?.rows.at(-1)?.event;
    [
      group.head.run,
      group.head.epoch,
      first.fromSeq,
      hexToBytes(first.fromHash),
      last?.seq ?? first.fromSeq,
      hexToBytes(last?.hash ?? first.fromHash),
      status ?? null,
      waits === undefined ? null : canonicalJson(waits),
      wakeAt === undefined || wakeAt === null ? null : new Date(wakeAt),
      mailboxTaken ?? null,
    ].forEach((cell, i) => heads[i]?.push(cell));
    for (const item of group.items) {
      for (const { event, text } of item.rows) {
        [event.run, event.seq, event.type, event.v, event.at, text, hexToBytes(event.hash)].forEach((cell, i) =>
          events[i]?.push(cell),
        );
      }
    }
  }
  return [...heads, ...events];
}

/** What several appends of one run ask for together: the latest word counts. */
function merged(group: Group): AppendOptions {
  let options: AppendOptions = {};
  for (const item of group.items) options = { ...options, ...item.options };
  return options;
}

/** What of a group is in the journal already, given the head that is there, and what is left of it. */
function splitAt(
  group: Group,
  storedHead: string | null,
): { readonly there: Group | null; readonly left: Group | null } {
  const end = group.items.findIndex((item) => item.rows.at(-1)?.event.hash === storedHead) + 1;
  const part = (items: Item[]): Group | null => (items.length === 0 ? null : { head: group.head, items });
  return { there: part(group.items.slice(0, end)), left: part(group.items.slice(end)) };
}

/**
 * The outstanding appends of each run. One batch tells runs apart by their ids, so where a run has been claimed
 * again by the same process, what its other holder appends comes later.
 */
function grouped(items: readonly Item[]): { readonly groups: Group[]; readonly later: Item[] } {
  const groups = new Map<string, Group>();
  const later: Item[] = [];
  for (const item of items) {
    const group = groups.get(item.head.run);
    if (!group) groups.set(item.head.run, { head: item.head, items: [item] });
    else if (group.head === item.head) group.items.push(item);
    else later.push(item);
  }
  return { groups: [...groups.values()], later };
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function fenced(head: RunHead): FencedError {
  return new FencedError(
    `The run ${head.run} is no longer this worker's: its lease ran out and another worker went on with it. What this attempt did since its last record is not recorded; nothing needs to be done.`,
    { details: { run: head.run, epoch: head.epoch } },
  );
}

function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject(error instanceof Error ? error : new Error(String(error)));
  promise.catch(() => undefined);
  return promise;
}
