import type { ConsoleServices } from "../../runtime/core/console-services.ts";
import { NotFoundError } from "../../runtime/core/errors.ts";
import type { SessionSummary, VerifyReport } from "../../runtime/core/protocol.ts";
import type { ClaimsWorld } from "./console-fixture-claims.ts";
import type { FixtureSession } from "./console-fixture-journal.ts";
import { MemoryInbox } from "./memory-inbox.ts";

/** The console's services on written journals: what the pages show in tests and screenshots. */
export class FixtureServices extends MemoryInbox implements ConsoleServices {
  readonly world: ClaimsWorld;
  /** Sessions whose record is to be reported as altered, and how. */
  readonly altered = new Map<string, NonNullable<VerifyReport["firstBad"]>>();

  constructor(world: ClaimsWorld, now: () => number) {
    super(world, now);
    this.world = world;
  }

  listSessions: ConsoleServices["listSessions"] = ({ status, agent, limit, after }) => {
    const all = this.#newestFirst().filter(
      (session) =>
        (status === undefined || session.status === status) && (agent === undefined || session.agent === agent),
    );
    const start = after === undefined ? 0 : all.findIndex((session) => session.session === after) + 1;
    const sessions = all.slice(start, start + limit);
    return Promise.resolve({ sessions, next: start + limit < all.length ? (sessions.at(-1)?.session ?? null) : null });
  };

  recentSessions: ConsoleServices["recentSessions"] = (limit) => Promise.resolve(this.#newestFirst().slice(0, limit));

  sessionSummaries: ConsoleServices["sessionSummaries"] = (ids) =>
    Promise.resolve(this.world.sessions.filter((each) => ids.includes(each.session)).map((each) => each.summary));

  sessionView: ConsoleServices["sessionView"] = (id) =>
    this.read(() => {
      const session = this.session(id);
      return { session: session.summary, runs: session.runs.map((run) => run.summary), events: session.events };
    });

  sessionState: ConsoleServices["sessionState"] = (id, at) => this.read(() => this.session(id).stateAt(at.run, at.seq));

  verifySession: ConsoleServices["verifySession"] = (id) =>
    this.read(() => {
      const { runs, events } = this.session(id).summary;
      const firstBad = this.altered.get(id) ?? null;
      return { verified: firstBad === null, runs, events, firstBad };
    });

  eventsAfter: ConsoleServices["eventsAfter"] = (id, cursor, limit) =>
    this.read(() => {
      const session = this.session(id);
      const after = session.events.filter((event) => event.seq > (cursor[event.run] ?? 0));
      return {
        events: after.slice(0, limit),
        session: session.summary,
        runs: session.runs.map((run) => run.summary),
        more: after.length > limit,
      };
    });

  startRun: ConsoleServices["startRun"] = () => Promise.reject(new NotFoundError("The fixture starts no runs."));

  listAgents: ConsoleServices["listAgents"] = () =>
    Promise.resolve(
      ["assessor", "fraud", "intake", "payout"].map((name) => ({ name, description: "", team: "claims" })),
    );

  health: ConsoleServices["health"] = () =>
    Promise.resolve({ ok: true, postgres: "up", nats: "up", workers: 1, pendingApprovals: 0 });

  session(id: string): FixtureSession {
    const session = this.world.sessions.find((each) => each.session === id);
    if (session === undefined) throw new NotFoundError(`There is no session ${id}. Look for it in the list.`);
    return session;
  }

  protected override read<T>(work: () => T): Promise<T> {
    return new Promise((resolve) => {
      resolve(work());
    });
  }

  #newestFirst(): SessionSummary[] {
    return this.world.sessions.map((session) => session.summary).toSorted((a, b) => b.startedAt - a.startedAt);
  }
}
