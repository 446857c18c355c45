import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inboxSearch, sessionSearch, sessionsSearch, signInSearch } from "../../../console/web/app/search.ts";
import { parsePosition, positionText } from "../../../console/web/session/position.ts";
import { RUN_STATUS_ORDER } from "../../../console/web/ui/words.ts";
import { RUN_STATUSES } from "../../../runtime/core/events.ts";

describe("what addresses hold", () => {
  it("a position reads back as it was written", () => {
    fc.assert(
      fc.property(fc.uuid(), fc.integer({ min: 1, max: 1_000_000 }), (run, seq) => {
        expect(parsePosition(positionText({ run, seq }))).toEqual({ run, seq });
      }),
    );
  });

  it("anything else is no position", () => {
    for (const text of [undefined, "", "run", "a.0", "a.-1", ".1", "a.1.2", "a.99999999999"]) {
      expect(parsePosition(text)).toBeUndefined();
    }
  });

  it("filters read back as they were written, and what does not fit is dropped", () => {
    for (const status of RUN_STATUSES)
      expect(sessionsSearch({ status, agent: "intake" })).toEqual({ status, agent: "intake" });
    expect(sessionsSearch({ status: "asleep", agent: "", page: "3" })).toEqual({});
    expect(sessionSearch({ at: "r.4", show: "state" })).toEqual({ at: "r.4", show: "state" });
    expect(sessionSearch({ show: "else" })).toEqual({});
    const inbox = { show: "settled", only: "questions", approval: "a", question: "q", doubt: "r/e" };
    expect(inboxSearch(inbox)).toEqual(inbox);
    expect(inboxSearch({ show: "everything", only: "letters", question: "" })).toEqual({});
  });

  it("links from before the inbox held questions still lead to what was decided", () => {
    expect(inboxSearch({ show: "decided", approval: "a" })).toEqual({ show: "settled", approval: "a" });
  });

  it("every status can be filtered by", () => {
    expect([...RUN_STATUS_ORDER].toSorted()).toEqual([...RUN_STATUSES].toSorted());
  });

  it("after signing in nobody is led to another site", () => {
    expect(signInSearch({ code: "12e345", next: "/sessions?status=failed" })).toEqual({
      code: "12e345",
      next: "/sessions?status=failed",
    });
    for (const next of ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", 7]) {
      expect(signInSearch({ next })).toEqual({});
    }
  });
});
