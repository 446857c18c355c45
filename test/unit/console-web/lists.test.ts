import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { outcomeWords } from "../../../console/web/inbox/outcome-words.ts";
import {
  stillWatched,
  stillWatchedDoubts,
  WATCHED_APPROVALS,
  WATCHED_QUESTIONS,
  withNews,
} from "../../../console/web/inbox/watched.ts";
import { loadedSessions, withSession } from "../../../console/web/sessions/sessions-cache.ts";
import type {
  ApprovalView,
  DoubtView,
  QuestionView,
  SessionsPage,
  SessionSummary,
} from "../../../runtime/core/protocol.ts";
import { claimsWorld } from "../../support/console-fixture-claims.ts";

const { approvals, doubts } = claimsWorld(1_700_000_000_000);
const [held] = approvals.filter((approval) => approval.status === "pending");
const [doubt] = doubts;
if (held === undefined || doubt === undefined) throw new Error("The fixture holds a call and has one in doubt.");
const pending: ApprovalView = { ...held, decisions: [] };

function summary(n: number, part: Partial<SessionSummary> = {}): SessionSummary {
  return {
    session: `s-${String(n).padStart(3, "0")}`,
    agent: "intake",
    status: "running",
    startedBy: { kind: "service", id: "feed" },
    key: null,
    startedAt: n,
    endedAt: null,
    runs: 1,
    events: 1,
    waits: [],
    ...part,
  };
}

function question(id: string, askedAt: number): QuestionView {
  return {
    question: id,
    session: "s",
    sessionKey: null,
    run: "s",
    effect: "1/ask#human.ask#0#0",
    agent: "garage",
    pool: "claims",
    text: "Repair or replace?",
    answer: { type: "string" },
    startedBy: { kind: "service", id: "feed" },
    status: "open",
    askedAt,
    answered: null,
    cannotAnswer: null,
  };
}

const page = (next: string | null, ...sessions: readonly SessionSummary[]): SessionsPage => ({ sessions, next });
const names = (pages: readonly SessionsPage[]): number[] => loadedSessions(pages).map((session) => session.startedAt);

describe("the list of sessions", () => {
  it("puts a new session first, and one that changed stays where it was", () => {
    const pages = [page("x", summary(9), summary(8)), page("y", summary(7), summary(6))];
    expect(names(withSession(pages, summary(10), {}))).toEqual([10, 9, 8, 7, 6]);
    const changed = withSession(pages, summary(7, { status: "finished", events: 5 }), {});
    expect(names(changed)).toEqual([9, 8, 7, 6]);
    expect(loadedSessions(changed)[2]?.status).toBe("finished");
  });

  it("leaves a session that is older than what is loaded to its page", () => {
    const pages = [page("x", summary(9), summary(8))];
    expect(names(withSession(pages, summary(3), {}))).toEqual([9, 8]);
    expect(names(withSession([page(null, summary(9))], summary(3), {}))).toEqual([9, 3]);
  });

  it("drops a session that no longer fits the filter, and takes one that now does", () => {
    const pages = [page(null, summary(9), summary(8))];
    const filter = { status: "running" } as const;
    expect(names(withSession(pages, summary(9, { status: "parked", events: 2 }), filter))).toEqual([8]);
    expect(names(withSession(pages, summary(10), { ...filter, agent: "payout" }))).toEqual([9, 8]);
  });

  it("does not go back to older news, and does not change for no news", () => {
    const pages = [page(null, summary(9, { events: 7, status: "finished" }))];
    expect(withSession(pages, summary(9, { events: 3 }), {})).toBe(pages);
    expect(withSession(pages, summary(9, { events: 7, status: "finished" }), {})).toBe(pages);
  });

  it("shows each session once and in order, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20), fc.nat(5))), (news) => {
        let pages: readonly SessionsPage[] = [page(null, summary(10))];
        for (const [n, events] of news) pages = withSession(pages, summary(n, { events }), {});
        const got = names(pages);
        expect(got).toEqual([...new Set([10, ...news.map(([n]) => n)])].toSorted((a, b) => b - a));
      }),
    );
  });
});

describe("the inbox", () => {
  it("keeps a card that was decided meanwhile, in its place", () => {
    const other: ApprovalView = { ...pending, approval: "other", expiresAt: pending.expiresAt + 1 };
    const rejected: ApprovalView = {
      ...pending,
      status: "rejected",
      decisions: [{ by: "maria", decision: "reject", reason: "no invoice", at: 1 }],
    };
    const list = withNews(WATCHED_APPROVALS, [pending, other], rejected);
    expect(list.map(({ approval, status }) => [approval, status])).toEqual([
      [pending.approval, "rejected"],
      ["other", "pending"],
    ]);
    expect(stillWatched(WATCHED_APPROVALS, [pending, other], [other], [rejected])).toEqual(list);
  });

  it("does not add what was decided before anybody here saw it", () => {
    const approved: ApprovalView = { ...pending, status: "approved" };
    expect(withNews(WATCHED_APPROVALS, [], approved)).toEqual([]);
  });

  it("late news does not undo a decision", () => {
    const decided: ApprovalView = { ...pending, status: "approved" };
    expect(withNews(WATCHED_APPROVALS, [decided], pending)).toEqual([decided]);
  });

  it("puts the one that expires first in front", () => {
    const soon: ApprovalView = { ...pending, approval: "soon", expiresAt: 1 };
    const list = withNews(WATCHED_APPROVALS, [pending], soon);
    expect(list.map(({ approval }) => approval)).toEqual(["soon", pending.approval]);
  });

  it("keeps a question that somebody else answered, behind the ones that were asked before it", () => {
    const first = question("first", 1);
    const second = question("second", 2);
    const answered: QuestionView = {
      ...first,
      status: "answered",
      answered: { by: "maria", at: 3, value: "repair" },
    };
    const list = withNews(WATCHED_QUESTIONS, [second], first);
    expect(list).toEqual([first, second]);
    expect(withNews(WATCHED_QUESTIONS, list, answered)).toEqual([answered, second]);
    expect(withNews(WATCHED_QUESTIONS, [answered, second], first)).toEqual([answered, second]);
    expect(withNews(WATCHED_QUESTIONS, [], answered)).toEqual([]);
  });

  it("marks a doubt that has gone as settled", () => {
    const second: DoubtView = { ...doubt, effect: "another" };
    const before = stillWatchedDoubts([], [doubt, second]);
    expect(stillWatchedDoubts(before, [second])).toEqual([
      { doubt, settled: true },
      { doubt: second, settled: false },
    ]);
  });

  it("says who decided what", () => {
    const by = (name: string, decision: "approve" | "reject") => ({ by: name, decision, reason: "", at: 1 });
    expect(outcomeWords({ ...pending, approversNeeded: 2 })).toBe("2 more people have to agree.");
    expect(outcomeWords({ ...pending, approversNeeded: 2, decisions: [by("maria", "approve")] })).toBe(
      "One more person has to agree.",
    );
    expect(
      outcomeWords({ ...pending, status: "rejected", decisions: [by("ana", "approve"), by("maria", "reject")] }),
    ).toMatch(/^maria rejected/);
    const both = { ...pending, status: "consumed", decisions: [by("ana", "approve"), by("maria", "approve")] } as const;
    expect(outcomeWords(both, "ana")).toMatch(/^maria and you approved/);
    const own = { ...pending, status: "rejected", decisions: [by("ana", "reject")] } as const;
    expect(outcomeWords(own, "ana")).toMatch(/^You rejected/);
    expect(
      outcomeWords({ ...pending, status: "consumed", decisions: [by("ana", "approve"), by("maria", "approve")] }),
    ).toMatch(/^ana and maria approved/);
  });
});
