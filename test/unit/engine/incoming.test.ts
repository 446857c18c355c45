import { describe, expect, test } from "vitest";
import type { EventData, NewEvent } from "../../../runtime/core/events.ts";
import type { MailboxMessage } from "../../../runtime/core/journal.ts";
import { applyEvent, emptyRecord, type RunRecord } from "../../../runtime/core/run-record.ts";
import { takeOver } from "../../../runtime/engine/incoming.ts";

const CHILD = { run: "child", seq: 9, hash: "h" };
const verdict = { decision: "allow" as const, rules: [], reason: "", ruleSet: "s" };

function intended(effect: string, kind: "tool" | "ask" | "human", child?: string): NewEvent {
  const data: EventData<"effect_intended"> = {
    effect,
    node: "1/a",
    kind,
    name: effect,
    class: kind === "tool" ? "irreversible" : "idempotent",
    fingerprint: "f",
    nth: 0,
    input: {},
    id: `${effect}-id`,
    verdict,
    ...(child === undefined ? {} : { child }),
  };
  return { type: "effect_intended", data };
}

function recordOf(...events: NewEvent[]): RunRecord {
  const record = emptyRecord();
  for (const [i, event] of events.entries()) {
    applyEvent(record, { ...event, run: "r", seq: i + 1, v: 1, at: 1, prev: "", hash: "" });
  }
  return record;
}

const answer = (effect: string, id: string, child = CHILD): MailboxMessage => ({
  id,
  kind: "answer",
  data: { effect, outcome: { ok: true, value: id }, child },
});

describe("mail for a run", () => {
  test("an answer - ends the ask that its run was started for, once", () => {
    const record = recordOf(intended("ask", "ask", "child"));
    const { events, unexpected } = takeOver(record, [answer("ask", "first"), answer("ask", "second")]);
    expect(events.map(({ data }) => data)).toMatchObject([{ effect: "ask", message: "first", via: "answer" }]);
    expect(unexpected.map(({ id }) => id)).toEqual(["second"]);
  });

  test.each([
    ["for a call that is no ask", answer("pay", "m")],
    ["of another run than the one that was asked", answer("ask", "m", { ...CHILD, run: "stranger" })],
    ["for nothing", answer("nothing", "m")],
    [
      "of a person to an agent's ask",
      { id: "m", kind: "human", data: { effect: "ask", answer: 1, by: { kind: "person", id: "x" } } },
    ],
    [
      "about an approval that is not open",
      {
        id: "m",
        kind: "approval",
        data: { effect: "pay", approval: "a", argsHash: "h", outcome: "approved", decisions: [] },
      },
    ],
    [
      "about a doubt that nobody has",
      {
        id: "m",
        kind: "doubt",
        data: { effect: "pay", resolution: "happened", result: {}, by: { kind: "person", id: "x" }, reason: "" },
      },
    ],
  ] as [string, MailboxMessage][])("a message %s - is set aside", (_, message) => {
    const record = recordOf(intended("ask", "ask", "child"), intended("pay", "tool"));
    const { events, unexpected } = takeOver(record, [message]);
    expect(events).toEqual([]);
    expect(unexpected).toEqual([message]);
  });

  test("a message that is in the record already - is passed over silently", () => {
    const record = recordOf(intended("ask", "ask", "child"), {
      type: "effect_finished",
      data: { effect: "ask", outcome: { ok: true, value: 1 }, ms: 0, via: "answer", message: "first" },
    });
    expect(takeOver(record, [answer("ask", "first")])).toEqual({ events: [], unexpected: [] });
  });

  test("a second end of one effect in the record - changes nothing of the first", () => {
    const end = (value: number): NewEvent => ({
      type: "effect_finished",
      data: { effect: "pay", outcome: { ok: true, value }, ms: 0, via: "call" },
    });
    const record = recordOf(intended("pay", "tool"), end(1), end(2));
    expect(record.effects.get("pay")).toMatchObject({ status: "finished", outcome: { value: 1 } });
    expect(record.ends.get("1/a")).toEqual(["pay"]);
  });
});
