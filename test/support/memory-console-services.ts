import { randomUUID } from "node:crypto";
import { sha256 } from "../../runtime/core/canonical.ts";
import type { ConsoleServices, SessionDelta } from "../../runtime/core/console-services.ts";
import { InvalidInputError, NotFoundError } from "../../runtime/core/errors.ts";
import type { Cursor, JournalEvent } from "../../runtime/core/events.ts";
import type { JsonObject, JsonValue } from "../../runtime/core/json.ts";
import { actorOf, type Actor } from "../../runtime/core/people.ts";
import type {
  DoubtView,
  Health,
  RunSummary,
  SessionState,
  SessionSummary,
  SessionView,
  VerifyReport,
} from "../../runtime/core/protocol.ts";
import { MemoryInbox } from "./memory-inbox.ts";

/** What was asked of the services, for tests that count reads. */
export interface ServiceReads {
  eventsAfter: { session: string; cursor: Cursor }[];
}

interface StoredSession {
  readonly session: string;
  readonly agent: string;
  readonly startedBy: Actor;
  readonly startedAt: number;
  readonly runs: Map<string, JournalEvent[]>;
}

/**
 * The console's services over plain maps: everything that the port promises, without a journal. The
 * tests of the console's server run on it; the platform plugs in the real services.
 */
export class MemoryConsoleServices extends MemoryInbox implements ConsoleServices {
  readonly reads: ServiceReads = { eventsAfter: [] };
  readonly #sessions = new Map<string, StoredSession>();
  /** While set, reads fail with it, as when Postgres is away. */
  outage: Error | null = null;
  /** Awaited before events are read: lets a test hold a read open. */
  beforeRead: (() => Promise<void>) | null = null;
  /** Called when events were read and their reader has not got them yet. */
  afterRead: (() => void) | null = null;

  constructor() {
    super({ approvals: [], doubts: [], questions: [] }, () => 2);
  }

  addSession(agent = "refunds", startedBy: Actor = { kind: "service", id: "claims-feed" }): string {
    const session = randomUUID();
    this.#sessions.set(session, { session, agent, startedBy, startedAt: this.#sessions.size + 1, runs: new Map() });
    this.append(session, 1);
    return session;
  }

  /** Appends events to one run of a session (by default the root run) and returns how far it reaches. */
  append(session: string, count: number, run = session, text = ""): number {
    const stored = this.#stored(session);
    const events = stored.runs.get(run) ?? [];
    stored.runs.set(run, events);
    for (let i = 0; i < count; i++) {
      const seq = events.length + 1;
      const prev = events.at(-1)?.hash ?? "";
      const hash = sha256(`${run} ${String(seq)} ${prev}`);
      const place = { run, seq, v: 1, at: seq, prev, hash };
      const { agent, startedBy } = stored;
      events.push(
        seq === 1
          ? { ...place, type: "run_started", data: { session, agent, version: "1", input: {}, startedBy, depth: 0 } }
          : {
              ...place,
              type: "node_finished",
              data: { node: `${String(seq)}:step`, name: "step", update: { text }, ms: 1 },
            },
      );
    }
    return events.length;
  }

  /** A held call that waits for one person of a pool. */
  hold(session: string, pool: string, input: JsonValue = { amountCents: 100 }): string {
    const approval = randomUUID();
    const { agent, startedBy } = this.#stored(session);
    this.inbox.approvals.push({
      approval,
      session,
      sessionKey: null,
      run: session,
      effect: "1:pay#payments.refund#0#0",
      agent,
      tool: "payments.refund",
      toolVersion: "1",
      input,
      argsHash: sha256(JSON.stringify([approval, input])),
      verdict: { decision: "require_approval", rules: [], reason: "Above the limit.", ruleSet: "0" },
      pool,
      approversNeeded: 1,
      startedBy,
      status: "pending",
      decisions: [],
      requestedAt: 1,
      expiresAt: 2,
      cannotDecide: null,
    });
    return approval;
  }

  doubt(session: string): DoubtView {
    const doubt: DoubtView = {
      session,
      sessionKey: null,
      run: session,
      effect: "1:pay#payments.refund#0#0",
      effectId: randomUUID(),
      agent: this.#stored(session).agent,
      tool: "payments.refund",
      input: {},
      reason: "The worker ended before the call did.",
      since: 1,
    };
    this.inbox.doubts.push(doubt);
    return doubt;
  }

  /** A question to the people of a pool. */
  question(session: string, pool: string, answer: JsonObject = { type: "string" }): string {
    const question = randomUUID();
    const { agent, startedBy } = this.#stored(session);
    this.inbox.questions.push({
      question,
      session,
      sessionKey: null,
      run: session,
      effect: "1:ask#human.ask#0#0",
      agent,
      pool,
      text: "Repair or replace?",
      answer,
      startedBy,
      status: "open",
      askedAt: 1,
      answered: null,
      cannotAnswer: null,
    });
    return question;
  }

  listSessions: ConsoleServices["listSessions"] = async ({ status, agent, limit, after }) => {
    const all = (await this.recentSessions(Infinity)).filter(
      (s) => (status === undefined || s.status === status) && (agent === undefined || s.agent === agent),
    );
    const start = after === undefined ? 0 : all.findIndex((s) => s.session === after) + 1;
    const sessions = all.slice(start, start + limit);
    return { sessions, next: start + limit < all.length ? (sessions.at(-1)?.session ?? null) : null };
  };

  recentSessions(limit: number): Promise<SessionSummary[]> {
    return this.read(() =>
      [...this.#sessions.values()]
        .reverse()
        .slice(0, limit)
        .map((stored) => this.#summary(stored)),
    );
  }

  sessionSummaries(sessions: readonly string[]): Promise<SessionSummary[]> {
    return this.read(() =>
      sessions.flatMap((session) => {
        const stored = this.#sessions.get(session);
        return stored ? [this.#summary(stored)] : [];
      }),
    );
  }

  sessionView(session: string): Promise<SessionView> {
    return this.read(() => {
      const stored = this.#stored(session);
      return { session: this.#summary(stored), runs: this.#runs(stored), events: [...stored.runs.values()].flat() };
    });
  }

  sessionState: ConsoleServices["sessionState"] = (session, at) =>
    this.read((): SessionState => {
      const stored = this.#stored(session);
      if (!stored.runs.get(at.run)?.[at.seq - 1]) throw new NotFoundError("There is no such event.");
      return {
        at,
        runs: this.#runs(stored).map(({ run, agent, waits }) => ({
          run,
          agent,
          status: "running",
          state: {},
          waits,
          seq: at.seq,
        })),
      };
    });

  verifySession(session: string): Promise<VerifyReport> {
    return this.read(() => {
      const runs = this.#runs(this.#stored(session));
      return {
        verified: true,
        runs: runs.length,
        events: runs.reduce((sum, run) => sum + run.events, 0),
        firstBad: null,
      };
    });
  }

  async eventsAfter(session: string, cursor: Cursor, limit: number): Promise<SessionDelta> {
    this.reads.eventsAfter.push({ session, cursor });
    await this.beforeRead?.();
    const delta = await this.read((): SessionDelta => {
      const stored = this.#stored(session);
      const after = [...stored.runs].flatMap(([run, events]) => events.slice(cursor[run] ?? 0));
      return {
        events: after.slice(0, limit),
        session: this.#summary(stored),
        runs: this.#runs(stored),
        more: after.length > limit,
      };
    });
    this.afterRead?.();
    return delta;
  }

  startRun: ConsoleServices["startRun"] = (by, { agent, input }) =>
    this.read(() => {
      if (agent !== "refunds") throw new NotFoundError(`There is no agent "${agent}".`);
      if (typeof input !== "object") throw new InvalidInputError("The input is not an object.");
      return { session: this.#summary(this.#stored(this.addSession(agent, actorOf(by)))), created: true };
    });

  listAgents: ConsoleServices["listAgents"] = () =>
    this.read(() => [{ name: "refunds", description: "Pays money back.", team: null }]);

  health(): Promise<Health> {
    const postgres = this.outage ? "down" : "up";
    const pendingApprovals = this.inbox.approvals.filter(({ status }) => status === "pending").length;
    return Promise.resolve({ ok: !this.outage, postgres, nats: "up", workers: 1, pendingApprovals });
  }

  /** Forgets everything, as a database that was started over. */
  forget(): void {
    this.#sessions.clear();
    for (const list of [this.inbox.approvals, this.inbox.doubts, this.inbox.questions]) list.length = 0;
  }

  protected override read<T>(work: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (this.outage) throw this.outage;
      resolve(work());
    });
  }

  #stored(session: string): StoredSession {
    const stored = this.#sessions.get(session);
    if (!stored) throw new NotFoundError(`There is no session ${session}.`);
    return stored;
  }

  #summary(stored: StoredSession): SessionSummary {
    const { session, agent, startedBy, startedAt } = stored;
    const runs = this.#runs(stored);
    return {
      session,
      agent,
      status: "running",
      startedBy,
      key: null,
      startedAt,
      endedAt: null,
      runs: runs.length,
      events: runs.reduce((sum, run) => sum + run.events, 0),
      waits: [],
    };
  }

  #runs(stored: StoredSession): RunSummary[] {
    const { session, agent, startedAt } = stored;
    return [...stored.runs].map(([run, events]) => ({
      run,
      session,
      agent,
      parent: run === session ? null : session,
      status: "running",
      startedAt,
      endedAt: null,
      events: events.length,
      waits: [],
    }));
  }
}
