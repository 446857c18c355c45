import type { Clock } from "../core/clock.ts";
import { EVENT_VERSION, type JournalEvent, type NewEvent, type RunStatus } from "../core/events.ts";
import type { Appended, AppendOptions, RunHead } from "../core/journal.ts";
import { LazyDeferred } from "../core/deferred.ts";
import { eventHash, payloadHash } from "../core/chain.ts";
import { appendOf, creationOf, grouped, splitAt, type Creation, type Group, type Item, type Row } from "./batch.ts";
import { IDLE_IN_TRANSACTION_MS, openConnection, type Connection } from "./database.ts";
import { DatabaseBusyError, DatabaseUnavailableError, FencedError } from "./errors.ts";
import { hexToBytes, storedPayload } from "./payload.ts";
import { APPEND_BLOBS } from "./sql.ts";
import { lockViews, writeView } from "./views.ts";

export interface WriterOptions {
  readonly url: string;
  readonly clock: Clock;
  /** Told after each commit which runs moved, and how far. */
  readonly onCommitted?: (heads: readonly RunHead[], events: readonly JournalEvent[]) => void;
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

/** How long an append that nobody waits for may wait for others to be written with. */
const LINGER_MS = 20;
/** With so much in the queue, it is written at once. */
const MANY_EVENTS = 1_000;
const MUCH_TEXT = 1_000_000;
const BUSY_DELAY_MS = 2;
const LONGEST_BUSY_DELAY_MS = 50;
/** How long one run's row beside the events may keep the appends of the others waiting. */
const LOCK_TIMEOUT_MS = 250;
const RECONNECT_DELAYS_MS = [50, 100, 250, 500, 1000, 2000];

/**
 * The one writer of a process. Appends of all its runs that come while a commit is under way go out
 * together in the next one, so that a busy worker pays far less than one statement a step; those that nobody waits for
 * do not start one by themselves for a while. A run that begins here is inserted with its first appends. A run's
 * append is a compare-and-set on (epoch, head): a refusal concerns that run alone. A row that somebody
 * else has locked is skipped and tried again, so one run's trouble never waits in front of the others.
 */
export class JournalWriter {
  readonly #options: WriterOptions;
  #queue: Item[] = [];
  /** When the queue is to be written, by the monotonic clock. */
  #dueMs = Infinity;
  /** How much is in it. */
  #events = 0;
  #textLength = 0;
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<void> | null = null;
  #connection: Connection | null = null;
  #closing = false;
  #closed = false;
  /** Runs whose appends were refused: nothing after a refused append can be right. */
  readonly #broken = new WeakMap<RunHead, unknown>();
  /** Runs that begin here and are not known to be on disk. */
  readonly #recording = new WeakMap<RunHead, Promise<void>>();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  append(head: RunHead, events: readonly NewEvent[], options: AppendOptions = {}): Appended {
    return this.#append(head, events, options, null);
  }

  /** The first append of a run that is created by it; its head stands at the beginning. */
  begin(
    head: RunHead,
    started: NewEvent,
    { linger, ...creation }: Creation & { readonly linger: boolean },
  ): { readonly events: readonly JournalEvent[]; readonly recorded: Promise<void> } {
    const { events, durable } = this.#append(head, [started], { linger }, creation);
    const recorded = durable.then(() => undefined).finally(() => this.#recording.delete(head));
    this.#recording.set(head, recorded);
    // Whoever began it sees the error; so does the first append that somebody waits for.
    recorded.catch(() => undefined);
    return { events, recorded };
  }

  /** Of a run that begins here and is not known to be on disk, when it is; else undefined. */
  recording(head: RunHead): Promise<void> | undefined {
    return this.#recording.get(head);
  }

  #append(head: RunHead, events: readonly NewEvent[], options: AppendOptions, creation: Creation | null): Appended {
    const broken = this.#closed ? new FencedError("The journal's writer is closed.") : this.#broken.get(head);
    const settle = new LazyDeferred<RunStatus>();
    const appended = (placed: readonly JournalEvent[]): Appended => ({
      events: placed,
      get durable() {
        return settle.promise;
      },
    });
    if (broken !== undefined) {
      settle.reject(broken);
      // Never in the middle of what appends.
      queueMicrotask(() => options.onRefused?.(broken));
      return appended([]);
    }
    const fromSeq = head.seq;
    const fromHash = head.hash;
    // All of it first: an event that cannot be written must not leave the head half moved.
    const payloads = events.map((event) => storedPayload(event.data));
    const blobs = payloads.flatMap(({ blob }) => blob ?? []);
    const rows = events.map((event, i) => this.#place(head, event, payloads[i]?.text ?? ""));
    const placed = rows.map((row) => row.event);
    const views = typeof options.views === "function" ? options.views(placed) : (options.views ?? []);
    const dueMs = options.linger === true ? this.#options.clock.monotonicMs() + LINGER_MS : 0;
    const item = { head, fromSeq, fromHash, creation, dueMs, rows, blobs, options, views, settle };
    this.#queue.push(item);
    this.#count(item);
    this.#flushWhenDue();
    return appended(placed);
  }

  /** Gives an event its place: the head moves now, so the next append chains on this one. */
  #place(head: RunHead, { type, data }: NewEvent, text: string): Row {
    const { run, hash: prev } = head;
    const seq = head.seq + 1;
    const v = EVENT_VERSION;
    const at = Math.trunc(this.#options.clock.now());
    const hash = eventHash({ run, seq, type, v, at }, prev, payloadHash(text, null));
    head.seq = seq;
    head.hash = hash;
    return { event: { run, seq, type, v, at, data, prev, hash } as JournalEvent, text };
  }

  #flushWhenDue(): void {
    // Once it is over, it looks again.
    if (this.#flushing) return;
    if (this.#isDue()) {
      if (this.#timer) clearTimeout(this.#timer);
      this.#timer = null;
      this.#flushing = this.#flush();
    } else if (this.#queue.length > 0) {
      // What comes later is due later, or at once.
      this.#timer ??= setTimeout(() => {
        this.#timer = null;
        this.#flushWhenDue();
      }, this.#dueMs - this.#options.clock.monotonicMs());
    }
  }

  #isDue(): boolean {
    return this.#queue.length > 0 && (this.#isAllDue() || this.#dueMs <= this.#options.clock.monotonicMs());
  }

  #isAllDue(): boolean {
    return this.#closing || this.#events >= MANY_EVENTS || this.#textLength >= MUCH_TEXT;
  }

  async #flush(): Promise<void> {
    // One turn of the event loop: what other runs append meanwhile shares the commit.
    await new Promise((resolve) => setImmediate(resolve));
    let busyRounds = 0;
    while (this.#isDue()) {
      const { groups, later } = grouped(this.#queue, this.#isAllDue() ? Infinity : this.#options.clock.monotonicMs());
      this.#setQueue(later);
      const again = await this.#commit(groups);
      if (again.length > 0) this.#setQueue([...again.flatMap((group) => group.items), ...this.#queue]);
      busyRounds = again.length === 0 ? 0 : busyRounds + 1;
      // Nothing but rows that somebody else has locked: a short while, and longer the longer it takes.
      if (this.#queue.length > 0 && again.length === groups.length) {
        await delay(Math.min(BUSY_DELAY_MS * busyRounds, LONGEST_BUSY_DELAY_MS));
      }
    }
    this.#flushing = null;
    this.#flushWhenDue();
  }

  #setQueue(items: Item[]): void {
    this.#queue = items;
    this.#dueMs = Infinity;
    this.#events = 0;
    this.#textLength = 0;
    for (const item of items) this.#count(item);
  }

  #count({ dueMs, rows, blobs }: Item): void {
    this.#dueMs = Math.min(this.#dueMs, dueMs);
    this.#events += rows.length;
    for (const { text } of rows) this.#textLength += text.length;
    for (const { text } of blobs) this.#textLength += text.length;
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
    const views = items(groups).flatMap((item) => item.views);
    const blobs = new Map(items(groups).flatMap((item) => item.blobs.map(({ hash, text }) => [hash, text])));
    const { text, values, name } = appendOf(groups);
    // Nothing beside the events: one statement is the transaction.
    if (views.length === 0 && blobs.size === 0) return connection.query<Answer>(text, values, name);
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
      const answers = await connection.query<Answer>(text, values, name);
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
        // The run is new, so whatever is there under its id was created by this append.
        if (answer?.status) creationOf(group)?.[0].settle.resolve(answer.status);
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
          items(done).flatMap((item) => item.rows.map((row) => row.event)),
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
    for (const item of group.items) reject(item, error);
    // What was appended after the refused events chains on them, so it can never be right either.
    const orphans = this.#queue.filter((item) => item.head === group.head);
    this.#setQueue(this.#queue.filter((item) => item.head !== group.head));
    for (const item of orphans) reject(item, error);
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
    this.#closing = true;
    this.#flushWhenDue();
    while (this.#flushing) await this.#flushing;
    this.#closed = true;
    await this.#connection?.end();
    this.#connection = null;
  }
}

function items(groups: readonly Group[]): Item[] {
  return groups.flatMap((group) => group.items);
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

function reject({ settle, options }: Item, error: unknown): void {
  settle.reject(error);
  options.onRefused?.(error);
}
