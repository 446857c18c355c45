import type { ConsoleServices } from "../../runtime/core/console-services.ts";
import { ConflictError, ForbiddenError, NotFoundError } from "../../runtime/core/errors.ts";
import type { Principal } from "../../runtime/core/people.ts";
import type { ApprovalView, SessionSummary, VerifyReport } from "../../runtime/core/protocol.ts";
import type { ClaimsWorld } from "./console-fixture-claims.ts";
import type { FixtureSession } from "./console-fixture-journal.ts";

/** The console's services on written journals: what the pages show in tests and screenshots. */
export class FixtureServices implements ConsoleServices {
  readonly world: ClaimsWorld;
  readonly now: () => number;
  /** Sessions whose record is to be reported as altered, and how. */
  readonly altered = new Map<string, NonNullable<VerifyReport["firstBad"]>>();

  constructor(world: ClaimsWorld, now: () => number) {
    this.world = world;
    this.now = now;
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

  // As promises even when they throw, like queries.
  sessionView: ConsoleServices["sessionView"] = (id) =>
    asPromise(() => {
      const session = this.session(id);
      return { session: session.summary, runs: session.runs.map((run) => run.summary), events: session.events };
    });

  sessionState: ConsoleServices["sessionState"] = (id, at) => asPromise(() => this.session(id).stateAt(at.run, at.seq));

  verifySession: ConsoleServices["verifySession"] = (id) =>
    asPromise(() => {
      const { runs, events } = this.session(id).summary;
      const firstBad = this.altered.get(id) ?? null;
      return { verified: firstBad === null, runs, events, firstBad };
    });

  eventsAfter: ConsoleServices["eventsAfter"] = (id, cursor, limit) =>
    asPromise(() => {
      const session = this.session(id);
      const after = session.events.filter((event) => event.seq > (cursor[event.run] ?? 0));
      return {
        events: after.slice(0, limit),
        session: session.summary,
        runs: session.runs.map((run) => run.summary),
        more: after.length > limit,
      };
    });

  listApprovals: ConsoleServices["listApprovals"] = (reader, { status }) =>
    Promise.resolve(
      this.world.approvals
        .filter((approval) => status === "all" || (approval.status === "pending") === (status === "pending"))
        .map((approval) => this.#shownTo(reader, approval)),
    );

  getApproval: ConsoleServices["getApproval"] = (reader, id) =>
    asPromise(() => this.#shownTo(reader, this.#approval(id)));

  pendingApprovals: ConsoleServices["pendingApprovals"] = () => {
    const pending = this.world.approvals.filter((approval) => approval.status === "pending");
    return Promise.resolve(new Map(pending.map((each) => [each.approval, String(each.decisions.length)])));
  };

  decide: ConsoleServices["decide"] = (by, id, { decision, reason, argsHash }) =>
    asPromise(() => {
      const approval = this.#approval(id);
      if (approval.status !== "pending") throw new ConflictError(`This approval is ${approval.status} already.`);
      if (approval.argsHash !== argsHash) throw new ConflictError("The arguments are not those that were shown.");
      const { cannotDecide } = this.#shownTo(by, approval);
      if (cannotDecide !== null) throw new ForbiddenError(cannotDecide);
      const decisions = [...approval.decisions, { by: by.name, decision, reason, at: this.now() }];
      const agreed = decisions.filter((each) => each.decision === "approve").length;
      const status = decision === "reject" ? "rejected" : agreed >= approval.approversNeeded ? "approved" : "pending";
      const decided: ApprovalView = { ...approval, decisions, status };
      this.world.approvals[this.world.approvals.indexOf(approval)] = decided;
      return this.#shownTo(by, decided);
    });

  listDoubts: ConsoleServices["listDoubts"] = () => Promise.resolve(this.world.doubts);

  resolveDoubt: ConsoleServices["resolveDoubt"] = (_by, { run, effect }) =>
    asPromise(() => {
      const at = this.world.doubts.findIndex((doubt) => doubt.run === run && doubt.effect === effect);
      if (at < 0) throw new ConflictError("This call is not in doubt any more.");
      this.world.doubts.splice(at, 1);
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

  #approval(id: string): ApprovalView {
    const approval = this.world.approvals.find((each) => each.approval === id);
    if (approval === undefined) throw new NotFoundError(`There is no approval ${id}.`);
    return approval;
  }

  #shownTo(reader: Principal, approval: ApprovalView): ApprovalView {
    const own = approval.decisions.some((decision) => decision.by === reader.name);
    const cannotDecide = !reader.pools.includes(approval.pool)
      ? `Only people of the pool "${approval.pool}" may decide this.`
      : own
        ? "You have decided already. Somebody else has to agree."
        : null;
    return { ...approval, cannotDecide };
  }

  #newestFirst(): SessionSummary[] {
    return this.world.sessions.map((session) => session.summary).toSorted((a, b) => b.startedAt - a.startedAt);
  }
}

function asPromise<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work());
  });
}
