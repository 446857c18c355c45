import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { Claim, Period, Policy } from "../../../agents/claims/claim.ts";
import { coverOn } from "../../../agents/claims/cover.ts";
import { coverageOf, documentsNeeded } from "../../../agents/claims/coverage.ts";
import { readWording } from "../../../agents/claims/registers.ts";
import { parseWording, type Wording } from "../../../agents/claims/wording.ts";
import { someClaim, somePolicy } from "./some-claim.ts";

let text: string;
let wording: Wording;
beforeAll(async () => {
  text = await readWording("household");
  wording = parseWording(text);
});

function payable(claim: Partial<Claim>, policy: Partial<Policy> = {}): number | string {
  const { payableMinor, rejection } = coverageOf({ ...someClaim, ...claim }, { ...somePolicy, ...policy }, wording);
  return rejection?.code ?? payableMinor;
}

describe("coverage", () => {
  test("takes the excess off the loss", () => {
    expect(payable({})).toBe(40_000 - 15_001);
  });

  test("takes the share first, then the excess, then the limit", () => {
    expect(payable({ peril: "flood" })).toBe(32_000 - 15_001);
    expect(payable({ claimedMinor: 500_000 })).toBe(250_000);
    expect(payable({ peril: "flood", claimedMinor: 10_000_000 }, { sumInsuredMinor: 5_000_000 })).toBe(5_000_000);
  });

  test("of several reductions the smallest share counts, and an exclusion outweighs them all", () => {
    expect(payable({ circumstances: ["unattended_candle", "unlocked_door"] })).toBe(20_000 - 15_001);
    expect(payable({ circumstances: ["unlocked_door", "pets"] })).toBe("excluded");
  });

  test("a circumstance that the wording does not name changes nothing", () => {
    expect(payable({ circumstances: ["full_moon"] })).toBe(24_999);
  });

  test("damage to others is not capped by the sum insured, and bears no excess", () => {
    expect(payable({ peril: "liability", claimedMinor: 4_000_000 }, { sumInsuredMinor: 100_000 })).toBe(4_000_000);
  });

  test("nothing is left at exactly the excess, and one cent above it", () => {
    expect(payable({ claimedMinor: 15_001 })).toBe("below_excess");
    expect(payable({ claimedMinor: 15_002 })).toBe(1);
  });

  test("a peril that the product or the wording does not have is not covered", () => {
    expect(payable({}, { product: "household-basic" })).toBe("not_covered");
    expect(payable({ peril: "engine_wear" })).toBe("not_covered");
    expect(payable({ peril: "__proto__" })).toBe("not_covered");
  });

  test("says which sections counted", () => {
    const { steps } = coverageOf(
      { ...someClaim, circumstances: ["unlocked_door"], claimedMinor: 900_000 },
      somePolicy,
      wording,
    );
    expect(steps.join("\n")).toMatch(
      /2\.7[^]*3\.2: 50 %[^]*Section 5[^]*Limit: 2,500\.00 EUR[^]*Payable: 2,500\.00 EUR/,
    );
  });

  test("never pays more than the loss or the limit, and only whole amounts above nothing", () => {
    const perils = fc.constantFrom(...wording.perils.map(({ peril }) => peril));
    const circumstances = fc.subarray(wording.exclusions.map(({ circumstance }) => circumstance));
    const amount = fc.integer({ min: 1, max: 10_000_000 });
    fc.assert(
      fc.property(perils, circumstances, amount, amount, (peril, ticked, claimedMinor, sumInsuredMinor) => {
        const claim = { ...someClaim, peril, circumstances: ticked, claimedMinor };
        const { payableMinor, limitMinor, rejection } = coverageOf(claim, { ...somePolicy, sumInsuredMinor }, wording);
        expect(payableMinor <= claimedMinor && payableMinor <= limitMinor).toBe(true);
        expect(payableMinor > 0).toBe(rejection === undefined);
        expect(Number.isSafeInteger(payableMinor)).toBe(true);
      }),
    );
  });
});

describe("the wordings", () => {
  test("both can be read, and name documents for every peril", async () => {
    for (const line of ["motor", "household"] as const) {
      const { perils } = parseWording(await readWording(line));
      expect(perils.length).toBe(12);
      for (const { peril } of perils) {
        expect(documentsNeeded({ ...someClaim, peril }, parseWording(await readWording(line))).length).toBeGreaterThan(
          0,
        );
      }
    }
  });

  test("a change of the document changes what is paid", () => {
    const generous = parseWording(text.replace(/(\| 4\.3 +\| accidental damage +\| )2,500/, "$19,000"));
    const claim = { ...someClaim, claimedMinor: 500_000 };
    expect(coverageOf(claim, somePolicy, generous).payableMinor).toBe(484_999);
  });

  test.each([
    ["a missing table", /^\| 4\..*$/gm, "", "Section 4 "],
    ["an amount that is none", "| 2,500 ", "| plenty", "Section 4.3 "],
    ["a share above the whole", "| 80 % ", "| 180 %", "Section 2.12 "],
    ["an unknown excess", "| none   | photos, invoice", "| some   | photos, invoice", "Section 2.5 "],
    ["a limit that does not exist", "| 4.5, sum insured |", "| 4.9, sum insured |", "Section 2.5 "],
    ["an empty cell", "| household-plus                  | 100 %      | 4.7", "|  | 100 %      | 4.7", "Section 2.11 "],
  ])("%s is an error that names the section", (_what, from, to, named) => {
    const changed = text.replace(from, to);
    expect(changed).not.toBe(text);
    expect(() => parseWording(changed)).toThrow(named);
  });
});

describe("cover", () => {
  const on = (date: string, ...periods: [from: string, until: string, ended: Period["ended"]][]) =>
    coverOn({ ...somePolicy, periods: periods.map(([from, until, ended]) => ({ from, until, ended })) }, date);

  test("includes the first and the last day of a period", () => {
    const period = ["2026-01-01", "2026-12-31", "running"] as const;
    expect(["2025-12-31", "2026-01-01", "2026-12-31", "2027-01-01"].map((day) => on(day, [...period]).inForce)).toEqual(
      [false, true, true, false],
    );
  });

  test("a renewal does not begin anew, a gap does", () => {
    const renewed = on("2026-01-05", ["2025-01-01", "2025-12-31", "renewed"], ["2026-01-01", "2026-12-31", "running"]);
    expect(renewed.since).toBe("2025-01-01");
    const resumed = on(
      "2026-01-05",
      ["2025-01-01", "2025-12-30", "cancelled"],
      ["2026-01-01", "2026-12-31", "running"],
    );
    expect(resumed.since).toBe("2026-01-01");
  });

  test.each([
    ["2024-06-01", "The policy did not begin before 2025-01-01."],
    [
      "2025-09-01",
      "The policy was cancelled; the last day of cover was 2025-06-30. Cover was resumed on 2026-01-01 only.",
    ],
    ["2027-02-01", "The policy lapsed because the premium was not paid; the last day of cover was 2026-12-31."],
  ])("on %s says why there is none", (date, why) => {
    const cover = on(date, ["2025-01-01", "2025-06-30", "cancelled"], ["2026-01-01", "2026-12-31", "premium_unpaid"]);
    expect(cover).toEqual({ inForce: false, since: undefined, sentence: `Not in force on ${date}. ${why}` });
  });
});
