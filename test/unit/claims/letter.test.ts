import { describe, expect, test } from "vitest";
import type { Outcome } from "../../../agents/claims/claim.ts";
import { isTrueTo, letterPrompt, modelLetter, templateLetter } from "../../../agents/claims/letter.ts";
import { rejectedOutcome, settledOutcome } from "../../../agents/claims/outcome.ts";
import { someClaim, somePolicy } from "./some-claim.ts";

const about = { claimId: "CLM-2026-5000", currency: "EUR", proposedMinor: 123_456, signals: [] };
const paid = settledOutcome(about, { status: "paid", receipt: "PAY-1" });
const outcomes: Outcome[] = [
  paid,
  settledOutcome(about, { status: "denied", rules: ["r"], reason: "The policy was not in force." }),
  settledOutcome(about, { status: "not_approved", rules: ["r"], reason: "ana rejected it: smells of fraud" }),
  rejectedOutcome("CLM-2026-5000", { code: "excluded", reason: "Section 3.5 excludes this." }),
];

describe("the letter", () => {
  test.each([
    [paid, "We have paid 1,234.56 EUR to Hannelore Wölfling."],
    [outcomes[1] ?? paid, "We cannot pay this claim. The policy was not in force."],
    [outcomes[2] ?? paid, "cannot pay it as it stands"],
    [outcomes[3] ?? paid, "The policy does not pay for this loss. Section 3.5"],
  ])("from the template has an address, the claim and the news: $status", (outcome, news) => {
    const letter = templateLetter(someClaim, somePolicy, outcome);
    expect(letter.to).toBe("Hannelore Wölfling, Freiburg im Breisgau");
    expect(letter.subject).toContain("CLM-2026-5000");
    expect(letter.body).toContain(news);
  });

  test("does not tell a claimant what an adjuster noted", () => {
    for (const outcome of outcomes) {
      expect(templateLetter(someClaim, somePolicy, outcome).body).not.toContain("fraud");
      expect(letterPrompt(someClaim, somePolicy, outcome)).not.toContain("smells");
    }
  });

  test.each([
    [true, "We have paid 1,234.56 EUR to you."],
    [false, "We have paid you."],
    [false, "We have paid 1,234.56 EUR, and 80,000.00 EUR will follow."],
    [false, "We have paid 1,234.56 EUR and €500 more."],
    [false, "We have paid 80,000.00 EUR."],
  ])("of a model is kept (%s) only if it states what was paid and nothing else: %j", (kept, text) => {
    expect(isTrueTo(paid, text)).toBe(kept);
    expect(modelLetter(someClaim, somePolicy, paid, text) !== undefined).toBe(kept);
  });

  test("of a model promises no money where none was paid", () => {
    for (const outcome of outcomes.slice(1)) {
      expect(isTrueTo(outcome, "We are sorry.")).toBe(true);
      expect(isTrueTo(outcome, "You will get 100 EUR.")).toBe(false);
    }
  });
});
