import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { decide } from "../../../runtime/approvals/decide.ts";
import { resolveDoubt } from "../../../runtime/approvals/doubts.ts";
import { answerQuestion } from "../../../runtime/approvals/questions.ts";
import type { Principal } from "../../../runtime/core/people.ts";
import { deliverIn } from "../../../runtime/journal/deliver.ts";
import { useJournals } from "../../support/journals.ts";
import { OLGA } from "../../support/platform.ts";

const { one } = useJournals();

/** What people say, each of something that there is not: whoever may say it is told that. */
const SAYINGS = [
  [
    "a decision",
    (by: Principal) =>
      decide({ database: one.database, deliver: deliverIn }, by, {
        approval: randomUUID(),
        decision: "approve",
        argsHash: "h",
        reason: "",
      }),
  ],
  [
    "an answer",
    (by: Principal) =>
      answerQuestion({ database: one.database, deliver: deliverIn }, by, { question: randomUUID(), answer: true }),
  ],
  [
    "what became of a call",
    (by: Principal) =>
      resolveDoubt({ database: one.database, deliver: deliverIn }, by, {
        run: randomUUID(),
        effect: "e",
        resolution: "did_not_happen",
        reason: "The bank says so.",
      }),
  ],
] as const;

describe.each(SAYINGS)("%s", (_, say) => {
  test("of somebody who is no operator - is refused, in whatever pools they are", async () => {
    await expect(say({ ...OLGA, roles: ["viewer", "auditor", "admin"] })).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringContaining("needs the role operator") as string,
    });
  });

  test("of a service account - is refused, also of one that is an operator", async () => {
    await expect(say({ ...OLGA, kind: "service" })).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringContaining("service account") as string,
    });
  });

  test("of a person who is an operator - is taken", async () => {
    await expect(say(OLGA)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
