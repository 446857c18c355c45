import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { decide } from "../../../runtime/approvals/decide.ts";
import { resolveDoubt } from "../../../runtime/approvals/doubts.ts";
import type { NewEvent } from "../../../runtime/core/events.ts";
import type { ViewWrite } from "../../../runtime/core/journal.ts";
import type { Verdict } from "../../../runtime/core/verdict.ts";
import { deliverIn } from "../../../runtime/journal/deliver.ts";
import { approvalRequest, claimed } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";
import { OLGA } from "../../support/platform.ts";

const { one } = useJournals();

const BAD = "a\u0000b";
const SHOWN = "a\uFFFDb";

async function appended(view: ViewWrite): Promise<string> {
  const { head } = await claimed(one.journal);
  const said: NewEvent = {
    type: "node_failed",
    data: { node: BAD, name: BAD, error: { name: "E", message: BAD }, ms: 1 },
  };
  await one.journal.append(head, [said], { views: [view] }).durable;
  expect((await one.journal.read(head.run, 1))[0]).toMatchObject(said);
  return head.run;
}

/** The one row of a view that a run has. */
async function row(text: string, run: string): Promise<unknown> {
  const rows = await one.database.query(text, [run]);
  expect(rows).toHaveLength(1);
  return rows[0];
}

describe("U+0000, which Postgres cannot hold in a text", () => {
  test("in what a held call is about - is shown as another character, and recorded as it is", async () => {
    const approval = randomUUID();
    const verdict: Verdict = { decision: "require_approval", rules: [], reason: BAD, ruleSet: "s" };
    const run = await appended(
      approvalRequest(approval, {
        effect: BAD,
        tool: `memory.remember:${BAD}`,
        toolVersion: BAD,
        input: BAD,
        pool: BAD,
        verdict,
      }),
    );
    expect(await row("select effect, tool, tool_version, input, pool from approvals where run_id = $1", run)).toEqual({
      effect: SHOWN,
      tool: `memory.remember:${SHOWN}`,
      tool_version: SHOWN,
      input: JSON.stringify(BAD),
      pool: SHOWN,
    });
  });

  test("in why a call is in doubt - is shown as another character, and the doubt can be settled", async () => {
    const { head } = await claimed(one.journal);
    const step: NewEvent = { type: "route_taken", data: { route: BAD, to: BAD } };
    const raised = { view: "doubt_raised", effect: BAD, effectId: "i", tool: BAD, input: BAD, reason: BAD } as const;
    await one.journal.append(head, [step], { views: [raised] }).durable;
    const doubt = "select effect, tool, reason, resolved_at is not null as settled from doubts where run_id = $1";
    expect(await row(doubt, head.run)).toEqual({ effect: SHOWN, tool: SHOWN, reason: SHOWN, settled: false });
    await one.journal.append(head, [step], { views: [{ view: "doubt_resolved", effect: BAD }] }).durable;
    expect(await row(doubt, head.run)).toMatchObject({ settled: true });
  });

  test("in a question - is shown as another character", async () => {
    const run = await appended({
      view: "question_asked",
      id: randomUUID(),
      effect: BAD,
      pool: BAD,
      question: BAD,
      answer: {},
    });
    expect(await row("select effect, pool, question from questions where run_id = $1", run)).toEqual({
      effect: SHOWN,
      pool: SHOWN,
      question: SHOWN,
    });
  });

  test("in the reason of a decision - is refused, and the call goes on waiting", async () => {
    const approval = randomUUID();
    await appended(approvalRequest(approval));
    const context = { database: one.database, deliver: deliverIn };
    for (const reason of [BAD, "\uD800"]) {
      await expect(
        decide(context, OLGA, { approval, decision: "reject", reason, argsHash: "h" }),
      ).rejects.toMatchObject({ code: "INVALID_INPUT" });
    }
    expect(await decide(context, OLGA, { approval, decision: "reject", reason: "No.", argsHash: "h" })).not.toBeNull();
  });

  test("in the reason or the result with which a doubt is settled - is refused or kept as it is", async () => {
    const run = await appended({ view: "doubt_raised", effect: "e", effectId: "i", tool: "t", input: {}, reason: "r" });
    const context = { database: one.database, deliver: deliverIn };
    const settle = (reason: string, result: string) =>
      resolveDoubt(context, OLGA, { run, effect: "e", resolution: "happened", reason, result });
    await expect(settle(BAD, "fine")).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect(settle("fine", "\uD800")).rejects.toMatchObject({ code: "INVALID_INPUT" });
    expect(await settle("fine", BAD)).toMatchObject({ run });
    expect((await one.journal.mailbox(run)).messages[0]?.data).toMatchObject({ result: BAD });
  });

  test("in whatever else somebody gives or looks for - is their mistake and not the server's", async () => {
    await expect(claimed(one.journal, { key: BAD })).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect(one.journal.startedWith("refunds", BAD)).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect(one.database.query("select 1 from users where name = $1", [BAD])).rejects.toMatchObject({
      code: "INVALID_INPUT",
    });
  });
});
