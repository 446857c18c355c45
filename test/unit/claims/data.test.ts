import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { readExpected, type ExpectedClaim } from "../../../agents/claims/expected.ts";
import { readFeed, type FeedItem } from "../../../agents/claims/feed.ts";
import { isIban } from "../../../agents/claims/iban.ts";
import { SAME_STORY_SCORE, pastClaims, storyOf } from "../../../agents/claims/past-claims.ts";
import { dayAfter } from "../../../agents/claims/dates.ts";
import { readPolicies } from "../../../agents/claims/registers.ts";
import { validateRecord } from "../../../agents/claims/validate.ts";
import { emptyMemory, examine, filledMemory, type Recall } from "./examine.ts";

let feed: FeedItem[];
let expected: ExpectedClaim[];
let memory: Recall;
beforeAll(async () => {
  [feed, expected, memory] = await Promise.all([readFeed(), readExpected(), filledMemory()]);
});

describe("the claims", () => {
  test("there are at least 66, motor and household, from 40 to 80,000 in three currencies", () => {
    expect(feed.length).toBeGreaterThanOrEqual(66);
    const claims = wellFormed();
    const amounts = claims.map(({ claimedMinor }) => claimedMinor);
    expect([Math.min(...amounts), Math.max(...amounts)]).toEqual([4_000, 8_000_000]);
    for (const line of ["motor", "household"]) {
      for (const currency of ["EUR", "GBP", "CHF"]) {
        expect(claims.filter((claim) => claim.line === line && claim.currency === currency).length).toBeGreaterThan(4);
      }
    }
  });

  test("every line has a key of its own and one expected outcome, in the order of the feed", () => {
    const keys = feed.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(expected.map(({ key }) => key)).toEqual(keys);
  });

  test("are in the order in which they were reported", () => {
    const dates = wellFormed().map(({ reportedOn }) => reportedOn);
    expect(dates).toEqual([...dates].sort());
  });

  test("have umlauts and other accents, decomposed letters, emoji and invisible characters", () => {
    const text = feed.map(({ input }) => JSON.stringify(input.record)).join("\n");
    for (const odd of ["ö", "ß", "ı", "Š", "ó", "u\u0308", "👩‍👩‍👧", "\u200b", "\u00ad", "\u202e"]) {
      expect(text).toContain(odd);
    }
  });
});

describe("the registers", () => {
  test("policies have unique numbers, periods in order without overlaps, and accounts at banks that do not exist", async () => {
    const { policies, partners } = await readPolicies();
    expect(new Set(policies.map(({ policyId }) => policyId)).size).toBe(policies.length);
    for (const { policyId, periods } of policies) {
      for (const [i, period] of periods.entries()) {
        expect(period.from <= period.until, policyId).toBe(true);
        const next = periods[i + 1];
        if (next) expect(dayAfter(period.until) <= next.from, policyId).toBe(true);
      }
    }
    const accounts = [...policies, ...partners, ...wellFormed().map(({ payee }) => payee)].map(({ iban }) => iban);
    for (const iban of accounts) {
      expect(isIban(iban), iban).toBe(true);
      expect(iban).toMatch(/^[A-Z]{2}\d\d(TEST|X?99999)/);
    }
  });

  test("there are lapsed, expired, cancelled, reinstated and renewed policies", async () => {
    const { policies } = await readPolicies();
    const endings = policies.flatMap(({ periods }) => periods.map(({ ended }) => ended));
    expect(new Set(endings)).toEqual(new Set(["running", "renewed", "expired", "premium_unpaid", "cancelled"]));
    expect(policies.some(({ periods }) => periods.length > 1 && periods[0]?.ended === "cancelled")).toBe(true);
  });

  test("documents are on file for claims of the feed and for the sample claim only", async () => {
    const url = new URL("../../../agents/claims/data/documents.json", import.meta.url);
    const documents = JSON.parse(await readFile(url, "utf8")) as Record<string, string[]>;
    const keys = new Set([...feed.map(({ key }) => key), "CLM-2026-0201"]);
    expect(Object.keys(documents).filter((claimId) => !keys.has(claimId))).toEqual([]);
  });

  test("past claims have ids of their own, and only one story is told again this year", async () => {
    const past = await pastClaims();
    expect(new Set(past.map(({ data }) => data.claimId)).size).toBe(past.length);
    const retold: string[] = [];
    for (const claim of wellFormed()) {
      const [best] = await memory(storyOf(claim));
      if (best && best.score >= SAME_STORY_SCORE) retold.push(claim.claimId);
      else expect(best?.score ?? 0, claim.claimId).toBeLessThan(SAME_STORY_SCORE - 0.1);
    }
    expect(retold).toEqual(["CLM-2026-0086"]);
  });
});

test("the sample claim of the guide is sound and would be held for an adjuster", async () => {
  const url = new URL("../../../agents/claims/data/sample-claim.json", import.meta.url);
  const input = JSON.parse(await readFile(url, "utf8")) as FeedItem["input"];
  const examined = await examine({ key: "sample", line: 1, input }, memory);
  expect(examined).toMatchObject({ proposal: { amountMinor: 645_000, policyInForce: true, fraudSignals: [] } });
});

describe("what is expected", () => {
  test("has every kind of outcome", () => {
    expect(countBy(expected.map(({ outcome }) => outcome))).toEqual({
      paid: 38,
      approved_then_paid: 15,
      rejected_by_person: 12,
      denied: 7,
      rejected: 28,
    });
  });

  test("has every signal and every way to be rejected", () => {
    const signals = expected.flatMap((claim) => (claim.outcome === "rejected" ? [] : claim.signals));
    expect(new Set(signals).size).toBe(7);
    const codes = expected.flatMap((claim) => (claim.outcome === "rejected" ? [claim.code] : []));
    expect(new Set(codes).size).toBe(16);
  });

  test("pays 170,858.15 EUR, 78,474.90 GBP and 68,050.00 CHF in 53 payments", () => {
    const paid = expected.flatMap((claim) => (claim.outcome !== "rejected" && claim.paidMinor > 0 ? [claim] : []));
    const sum = (currency: string): number =>
      paid.reduce((total, claim) => total + (claim.currency === currency ? claim.paidMinor : 0), 0);
    expect([paid.length, sum("EUR"), sum("GBP"), sum("CHF")]).toEqual([53, 17_085_815, 7_847_490, 6_805_000]);
  });

  test("names an operator's decision exactly where people are asked, and pays what they approve", () => {
    for (const claim of expected) {
      if (claim.outcome === "rejected") continue;
      const { operator, outcome, paidMinor, proposedMinor, key } = claim;
      const decision = {
        approved_then_paid: "approve",
        rejected_by_person: "reject",
        paid: undefined,
        denied: undefined,
      };
      expect(operator?.decision, key).toBe(decision[outcome]);
      expect(paidMinor, key).toBe(outcome === "paid" || outcome === "approved_then_paid" ? proposedMinor : 0);
    }
  });
});

describe("the pure functions find what was expected by hand", { timeout: 30_000 }, () => {
  test("for every line of the feed", async () => {
    const found = await Promise.all(feed.map((item) => summary(item, memory)));
    expect(found).toEqual(expected.map(shouldFind));
  });

  test("without memory, two named claims lose their signal and nothing else changes", async () => {
    const found = await Promise.all(feed.map((item) => summary(item, emptyMemory)));
    const different = expected.flatMap((claim, i) =>
      JSON.stringify(found[i]) === JSON.stringify(shouldFind(claim)) ? [] : [claim.key],
    );
    expect(different).toEqual(["CLM-2026-0083", "CLM-2026-0086"]);
    const without = expected.flatMap((claim) =>
      claim.outcome !== "rejected" && claim.withoutMemory ? [claim.key] : [],
    );
    expect(different).toEqual(without);
  });

  test("the text hidden in a description changes neither amount nor payee", async () => {
    const item = feed.find(({ key }) => key === "CLM-2026-0078");
    if (!item) throw new Error("The claim is gone from the feed.");
    const examined = await examine(item, memory);
    expect(examined).toMatchObject({
      proposal: {
        amountMinor: 72_000,
        payee: { name: "Kwabena Ofori-Lindner" },
        fraudSignals: ["instructions_in_text"],
      },
    });
  });
});

async function summary(item: FeedItem, recall: Recall): Promise<unknown> {
  const examined = await examine(item, recall);
  if ("rejected" in examined) return { key: item.key, code: examined.rejected.code };
  const { currency, amountMinor, fraudSignals, policyInForce } = examined.proposal;
  return { key: item.key, currency, proposedMinor: amountMinor, signals: fraudSignals, policyInForce };
}

function shouldFind(claim: ExpectedClaim): unknown {
  const { key } = claim;
  if (claim.outcome === "rejected") return { key, code: claim.code };
  const { currency, proposedMinor, signals, outcome } = claim;
  return { key, currency, proposedMinor, signals, policyInForce: outcome !== "denied" };
}

function wellFormed() {
  return feed.flatMap(({ input }) => {
    const validated = validateRecord(input.record, input.unreadable);
    return validated.ok ? [validated.claim] : [];
  });
}

function countBy(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
