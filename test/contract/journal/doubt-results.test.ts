import { expect, test } from "vitest";
import { z } from "zod";
import { resolveDoubt, type ResultSchemaOf } from "../../../runtime/approvals/doubts.ts";
import type { JsonValue } from "../../../runtime/core/json.ts";
import { deliverIn } from "../../../runtime/journal/deliver.ts";
import { claimed } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";
import { OLGA } from "../../support/platform.ts";

const { one } = useJournals();

test("a result that the tool could never give - is refused, and the call stays in doubt until a fitting one", async () => {
  const { head } = await claimed(one.journal);
  const raised = { view: "doubt_raised", effect: "e", effectId: "i", tool: "pay", input: {}, reason: "r" } as const;
  const failed = {
    type: "node_failed",
    data: { node: "n", name: "n", error: { name: "E", message: "m" }, ms: 1 },
  } as const;
  await one.journal.append(head, [failed], { views: [raised] }).durable;
  const asked: unknown[] = [];
  const resultSchemaOf: ResultSchemaOf = ({ agent, tool }) => {
    asked.push({ agent, tool });
    return z.object({ receipt: z.string() });
  };
  const settle = (result: JsonValue) =>
    resolveDoubt({ database: one.database, deliver: deliverIn, resultSchemaOf }, OLGA, {
      run: head.run,
      effect: "e",
      resolution: "happened",
      reason: "It is in the bank's list.",
      result,
    });
  await expect(settle({ reciept: "L-77" })).rejects.toMatchObject({
    code: "INVALID_RESULT",
    message: expect.stringContaining("pay never returns such a result: receipt: ") as string,
  });
  expect((await one.journal.mailbox(head.run)).messages).toEqual([]);
  expect(await settle({ receipt: "L-77" })).toMatchObject({ run: head.run });
  expect(asked[0]).toEqual({ agent: head.agent, tool: "pay" });
});
