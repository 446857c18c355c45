import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import type { Proposal } from "../../../agents/claims/claim.ts";
import type { CompiledRuleSet } from "../../../runtime/rules/index.ts";
import type { Verdict } from "../../../runtime/core/verdict.ts";
import { claimsRuleSet, proposed } from "./rule-set.ts";

let rules: CompiledRuleSet;
beforeAll(async () => {
  rules = await claimsRuleSet();
});

const clean: Proposal = {
  claimId: "CLM-2026-0001",
  policyId: "MOT-DE-20417",
  payee: { name: "Anneliese Brückner", iban: "DE68999999990000004137" },
  amountMinor: 33_600,
  currency: "EUR",
  limitMinor: 10_000_000,
  policyInForce: true,
  fraudSignals: [],
  findings: [],
};

function judge(change: Partial<Proposal>, judgedBy = rules): Verdict {
  return judgedBy.judge(
    proposed({
      agent: "payout",
      kind: "tool",
      action: "payments.payout",
      resource: "payments.payout",
      input: { ...clean, ...change },
    }),
  );
}

const idsOf = (verdict: Verdict): string[] => verdict.rules.map(({ id }) => id);

describe("the rules of the claims team", () => {
  test("a small clean payment is allowed", () => {
    expect(judge({})).toMatchObject({ decision: "allow", rules: [{ id: "payout-pays" }] });
  });

  test.each([
    ["EUR", 500_000, 2_500_000],
    ["GBP", 430_000, 2_150_000],
    ["CHF", 480_000, 2_400_000],
  ])("in %s both limits hold what is above them and not what is exactly on them", (currency, first, second) => {
    const verdictOf = (amountMinor: number): Verdict => judge({ currency, amountMinor });
    expect(verdictOf(first).decision).toBe("allow");
    for (const amount of [first + 1, second]) {
      expect(idsOf(verdictOf(amount))).toEqual(["payout-over-limit"]);
      expect(verdictOf(amount).approval).toMatchObject({ pool: "claims-adjusters", approvers: 1 });
    }
    expect(idsOf(verdictOf(second + 1))).toEqual(["payout-four-eyes"]);
    expect(verdictOf(second + 1).approval).toMatchObject({ pool: "finance", approvers: 2 });
  });

  test.each([
    ["a small payment", 33_600, ["payout-fraud-signal"], "claims-adjusters"],
    ["a larger payment", 600_000, ["payout-over-limit", "payout-fraud-signal"], "claims-adjusters"],
    ["the largest payments", 2_600_000, ["payout-four-eyes", "payout-fraud-signal-large"], "finance"],
  ])("a signal of fraud on %s is held for one pool", (_of, amountMinor, ids, pool) => {
    const verdict = judge({ amountMinor, fraudSignals: ["new_policy"] });
    expect(verdict).toMatchObject({ decision: "require_approval", approval: { pool } });
    expect(idsOf(verdict)).toEqual(ids);
  });

  test("a payment on a policy that was not in force is denied, also if it would be held as well", () => {
    const verdict = judge({ policyInForce: false, amountMinor: 600_000, fraudSignals: ["new_policy"] });
    expect(verdict.decision).toBe("deny");
    expect(idsOf(verdict)[0]).toBe("payout-policy-not-in-force");
  });

  test("a payment above what the policy pays, or in another currency, is denied", () => {
    expect(idsOf(judge({ limitMinor: 33_599 }))).toEqual(["payout-above-policy-limit"]);
    expect(idsOf(judge({ currency: "USD" }))).toEqual(["payout-unknown-currency"]);
  });

  test("nobody but payout may pay, and payout may do nothing else", () => {
    const call = { kind: "tool", action: "payments.payout", resource: "payments.payout", input: { ...clean } } as const;
    for (const agent of ["intake", "assessor", "fraud", "archivist"]) {
      expect(rules.judge(proposed({ ...call, agent })).decision, agent).toBe("deny");
    }
    const remember = { namespace: "claims", text: "Always pay." };
    const forbidden = {
      agent: "payout",
      kind: "memory",
      action: "memory.remember",
      resource: "claims",
      input: remember,
    } as const;
    expect(rules.judge(proposed(forbidden)).decision).toBe("deny");
    expect(rules.judge(proposed({ ...forbidden, agent: "archivist" })).decision).toBe("allow");
    expect(rules.judge(proposed({ ...forbidden, agent: "archivist", resource: "support" })).decision).toBe("deny");
  });

  test("without any rule every payment is denied", async () => {
    const verdict = judge({}, await claimsRuleSet("// nothing is permitted"));
    expect(verdict).toMatchObject({ decision: "deny", rules: [] });
  });

  test.each([
    "payout-policy-not-in-force",
    "payout-above-policy-limit",
    "payout-unknown-currency",
    "payout-over-limit",
    "payout-four-eyes",
    "payout-fraud-signal",
    "payout-fraud-signal-large",
  ])("the rule %s is needed: without it some payment is judged more mildly", async (id) => {
    const url = new URL("../../../agents/claims/rules.cedar", import.meta.url);
    const text = await readFile(url, "utf8");
    const others = text.split(/(?=@id\(")/).filter((rule) => !rule.startsWith(`@id("${id}")`));
    const weaker = await claimsRuleSet(others.join(""));
    const cases: Partial<Proposal>[] = [
      { policyInForce: false },
      { limitMinor: 1 },
      { currency: "USD" },
      { amountMinor: 600_000 },
      { amountMinor: 2_600_000 },
      { fraudSignals: ["new_policy"] },
      { amountMinor: 2_600_000, fraudSignals: ["new_policy"] },
    ];
    const changed = cases.filter((change) => {
      const [before, after] = [judge(change), judge(change, weaker)];
      return before.decision !== after.decision || before.rules.length > after.rules.length;
    });
    expect(changed.length).toBeGreaterThan(0);
  });
});
