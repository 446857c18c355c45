import { randomUUID } from "node:crypto";
import { canonicalJson } from "../../runtime/core/canonical.ts";
import {
  ENDED_STATUSES,
  EVENT_VERSION,
  type JournalEvent,
  type NewEvent,
  type RunStatus,
} from "../../runtime/core/events.ts";
import type {
  Appended,
  AppendOptions,
  BegunClaim,
  Claim,
  ClaimAny,
  Journal,
  MailboxMessage,
  NewRun,
  Renewed,
  RunHead,
  ViewWrite,
} from "../../runtime/core/journal.ts";
import type { JsonValue } from "../../runtime/core/json.ts";
import { eventHash, GENESIS, payloadHash } from "../../runtime/core/chain.ts";
import type { StoredEvent } from "../../runtime/core/chain.ts";
import { doubtOf, type FoundSnapshot, type Snapshots } from "../../runtime/core/snapshots.ts";
import { FencedError } from "../../runtime/journal/errors.ts";

interface StoredRun {
  readonly run: NewRun;
  readonly events: JournalEvent[];
  readonly mailbox: MailboxMessage[];
  status: RunStatus;
  epoch: number;
  taken: number;
  /** How many times it was told of mail that lies elsewhere. */
  knocks: number;
}

/** A journal for tests of the engine alone: it chains and fences like the real one, and forgets everything. */
export class MemoryJournal implements Journal {
  readonly runs = new Map<string, StoredRun>();
  readonly views: ViewWrite[] = [];
  /** The newest snapshot of each run. */
  readonly stored = new Map<string, { readonly seq: number; readonly text: string }>();
  /** How far its clock is ahead. */
  aheadMs = 0;
  /** The heads that were refused: nothing after a refused append can be right. */
  readonly #broken = new WeakSet<RunHead>();
  /** Asked before each append; true refuses it and everything after, as if the worker had died there. */
  cut: (events: readonly NewEvent[], run: StoredRun) => boolean = () => false;

  append(head: RunHead, events: readonly NewEvent[], options: AppendOptions = {}): Appended {
    const run = this.#run(head.run);
    const last = run.events.at(-1);
    const fits = run.epoch === head.epoch && run.status === "running" && last?.hash === head.hash;
    if (this.#broken.has(head) || !fits || this.cut(events, run)) {
      this.#broken.add(head);
      const durable = refused();
      durable.catch((error: unknown) => options.onRefused?.(error));
      return { events: [], durable };
    }
    const placed = events.map((event) => place(head, event));
    run.events.push(...placed);
    const views = typeof options.views === "function" ? options.views(placed) : (options.views ?? []);
    this.views.push(...views);
    if (views.some(({ view }) => view === "snapshot_dropped")) this.stored.delete(head.run);
    if (options.mailboxTaken !== undefined) run.taken = options.mailboxTaken;
    if (options.status) run.status = options.status === "parked" && moved(run) > run.taken ? "ready" : options.status;
    const { status } = run;
    // Durable a little later, as with a disk.
    return {
      events: placed,
      durable: new Promise((resolve) =>
        setImmediate(() => {
          resolve(status);
        }),
      ),
    };
  }

  create(run: NewRun): Promise<Claim | null> {
    const head: RunHead = { run: run.run, session: run.session, agent: run.agent, epoch: 0, seq: 0, hash: GENESIS };
    const { session, agent, version, input, startedBy, depth, cause, message, labels = [], timeoutMs = Infinity } = run;
    const latest = Math.min(run.deadline ?? Infinity, Date.now() + this.aheadMs + timeoutMs);
    const deadline = latest === Infinity ? null : latest;
    const more = {
      ...(cause ? { cause } : {}),
      ...(deadline === null ? {} : { deadline }),
      ...(message ? { message } : {}),
      ...(labels.length === 0 ? {} : { labels: [...labels] }),
    };
    const data = { session, agent, ...(version === null ? {} : { version }), input, startedBy, depth, ...more };
    const stored: StoredRun = { run, events: [], mailbox: [], status: "ready", epoch: 0, taken: 0, knocks: 0 };
    stored.events.push(place(head, { type: "run_started", data }));
    this.runs.set(run.run, stored);
    return Promise.resolve(null);
  }

  begin(run: NewRun): BegunClaim {
    void this.create(run);
    const claim = this.#claimed(run.run);
    const { events } = this.#run(run.run);
    return { ...claim, events: [...events], emptyUpTo: 0, recorded: Promise.resolve() };
  }

  startedWith(): Promise<null> {
    return Promise.resolve(null);
  }

  claim(runs: readonly string[]): Promise<Claim[]> {
    return Promise.resolve(runs.map((id) => this.#claimed(id)));
  }

  #claimed(id: string): Claim {
    const run = this.#run(id);
    run.status = "running";
    run.epoch++;
    const last = run.events.at(-1);
    const head = {
      run: id,
      session: run.run.session,
      agent: run.run.agent,
      epoch: run.epoch,
      seq: run.events.length,
      hash: last?.hash ?? GENESIS,
    };
    const claimedAt = { epochMs: Date.now() + this.aheadMs, monotonicMs: performance.now() };
    const { startedBy, depth, parent } = run.run;
    return {
      head,
      version: run.run.version ?? "",
      startedBy,
      depth,
      parent,
      deadlineMs: Infinity,
      claimedAt,
      soloCrashes: 0,
    };
  }

  claimAny({ limit }: ClaimAny): Promise<Claim[]> {
    const ready = [...this.runs.values()].filter(({ status }) => status === "ready");
    return this.claim(ready.slice(0, limit).map(({ run }) => run.run));
  }

  renew(heads: readonly RunHead[]): Promise<Renewed> {
    return Promise.resolve({ held: new Set(heads.map((head) => head.run)), gone: new Set(), deadlineMs: Infinity });
  }

  release(head: RunHead): Promise<void> {
    const run = this.#run(head.run);
    if (run.epoch === head.epoch && run.status === "running") run.status = "ready";
    return Promise.resolve();
  }

  withMail(runs: readonly string[]): Promise<string[]> {
    return Promise.resolve(runs.filter((run) => moved(this.#run(run)) > this.#run(run).taken));
  }

  read(run: string, after = 0): Promise<JournalEvent[]> {
    // Through text, as a real one would: nobody shares an object with the record.
    return Promise.resolve((JSON.parse(canonicalJson(this.#run(run).events)) as JournalEvent[]).slice(after));
  }

  mailbox(run: string): Promise<{ messages: readonly MailboxMessage[]; upTo: number }> {
    // All of it each time: what has been taken over is known by its id.
    return Promise.resolve({ messages: [...this.#run(run).mailbox], upTo: moved(this.#run(run)) });
  }

  deliver(run: string, message: MailboxMessage): Promise<{ delivered: boolean; agent: string | null }> {
    const stored = this.#run(run);
    const delivered = !ENDED_STATUSES.includes(stored.status) && !stored.mailbox.some(({ id }) => id === message.id);
    if (delivered) stored.mailbox.push(message);
    return Promise.resolve({ delivered, agent: delivered ? stored.run.agent : null });
  }

  knock(run: string): void {
    this.#run(run).knocks++;
  }

  readonly snapshots: Snapshots = {
    newest: (head) => Promise.resolve(this.#newest(head)),
    keep: (run, seq, text) => {
      if (!ENDED_STATUSES.includes(this.#run(run).status)) this.stored.set(run, { seq, text });
      return Promise.resolve();
    },
  };

  #newest(head: RunHead): FoundSnapshot {
    const kept = this.stored.get(head.run);
    if (!kept) return { kind: "none" };
    const events = JSON.parse(canonicalJson(this.#run(head.run).events)) as JournalEvent[];
    const since = events.slice(kept.seq - 2);
    const why = doubtOf(kept.text, kept.seq, since.map(stored), head);
    const [first] = events;
    if (why !== null || !first) return { kind: "unusable", why: why ?? "There is nothing." };
    return { kind: "kept", snapshot: { text: kept.text, first, events: since } };
  }

  #run(id: string): StoredRun {
    const run = this.runs.get(id);
    if (!run) throw new Error(`There is no run ${id}.`);
    return run;
  }
}

function moved({ mailbox, knocks }: StoredRun): number {
  return mailbox.length + knocks;
}

export function memoryRun(agent: string, input: JsonValue, changes: Partial<NewRun> = {}): NewRun {
  const run = randomUUID();
  const startedBy = { kind: "person", id: "ada" } as const;
  return { run, session: run, parent: null, agent, version: "1", key: null, startedBy, depth: 0, input, ...changes };
}

function place(head: RunHead, event: NewEvent): JournalEvent {
  const prev = head.hash;
  const placed = { run: head.run, seq: head.seq + 1, type: event.type, v: EVENT_VERSION, at: Date.now() };
  const text = canonicalJson(event.data);
  head.seq = placed.seq;
  head.hash = eventHash(placed, prev, payloadHash(text, null));
  return { ...placed, data: JSON.parse(text) as unknown, prev, hash: head.hash } as JournalEvent;
}

function stored({ run, seq, type, v, at, data, hash }: JournalEvent): StoredEvent {
  return { run, seq, type, v, at, data: canonicalJson(data), salt: null, payloadHash: null, hash };
}

function refused(): Promise<never> {
  const promise = Promise.reject(new FencedError("The worker died here."));
  promise.catch(() => undefined);
  return promise;
}
