import { readFile } from "node:fs/promises";
import { z } from "zod";
import { CURRENCIES } from "./money.ts";
import { REJECTION_CODES, SIGNALS, type Outcome } from "./claim.ts";

const settled = z.strictObject({
  key: z.string(),
  /** `approved_then_paid` and `rejected_by_person` were held for people. */
  outcome: z.enum(["paid", "approved_then_paid", "rejected_by_person", "denied"]),
  currency: z.enum(CURRENCIES),
  /** What the payout agent proposes, and what is paid in the end, in minor units. */
  proposedMinor: z.int().positive(),
  paidMinor: z.int().nonnegative(),
  /** The rules that hold or deny it. More may be recorded: a deny outweighs rules that would only hold. */
  rules: z.array(z.string()),
  signals: z.array(z.enum(SIGNALS)),
  /** What the people of the pool are to say of it, if it is held. */
  operator: z
    .strictObject({ decision: z.enum(["approve", "reject"]), pool: z.string(), reason: z.string() })
    .optional(),
  /** How it ends if memory is empty, where that is different. */
  withoutMemory: z.strictObject({ outcome: z.enum(["paid"]), paidMinor: z.int().nonnegative() }).optional(),
  why: z.string(),
});

const rejected = z.strictObject({
  key: z.string(),
  /** It never came to a proposal: malformed, on no policy, or not covered. */
  outcome: z.literal("rejected"),
  code: z.enum(REJECTION_CODES),
  why: z.string(),
});

export const expectedClaimSchema = z.discriminatedUnion("outcome", [settled, rejected]);
export type ExpectedClaim = z.infer<typeof expectedClaimSchema>;

/** How every line of the bundled feed is expected to end, in the order of the feed. Written by hand. */
export async function readExpected(): Promise<ExpectedClaim[]> {
  const text = await readFile(new URL("./data/expected.json", import.meta.url), "utf8");
  return z.object({ claims: z.array(expectedClaimSchema) }).parse(JSON.parse(text)).claims;
}

/** What the agent's own outcome says where this is expected: it does not know whether people were asked first. */
export function statusOf(expected: ExpectedClaim["outcome"]): Outcome["status"] {
  switch (expected) {
    case "paid":
    case "approved_then_paid":
      return "paid";
    case "rejected_by_person":
      return "not_approved";
    case "denied":
    case "rejected":
      return expected;
  }
}

/** Where an outcome differs from what is expected, in words; empty if it does not. */
export function differences(outcome: Outcome, expected: ExpectedClaim): string[] {
  const found: string[] = [];
  const compare = (what: string, got: unknown, wanted: unknown): void => {
    const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
    if (a !== b) found.push(`${what} is ${a}, expected ${b}`);
  };
  compare("status", outcome.status, statusOf(expected.outcome));
  if (expected.outcome === "rejected") {
    compare("code", outcome.code, expected.code);
    return found;
  }
  compare("currency", outcome.currency, expected.currency);
  compare("proposedMinor", outcome.proposedMinor, expected.proposedMinor);
  compare("paidMinor", outcome.paidMinor, expected.paidMinor);
  compare("signals", outcome.signals, expected.signals);
  if (outcome.status !== "paid") {
    const missing = expected.rules.filter((rule) => !outcome.rules.includes(rule));
    if (missing.length > 0)
      found.push(`rules are ${JSON.stringify(outcome.rules)}, expected ${missing.join(", ")} too`);
  }
  return found;
}
