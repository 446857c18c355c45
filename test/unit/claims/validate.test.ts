import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { claimSchema, type Claim } from "../../../agents/claims/claim.ts";
import { claimIdOf, validateRecord } from "../../../agents/claims/validate.ts";
import { someClaim } from "./some-claim.ts";

function codeOf(change: Readonly<Record<string, unknown>>): string {
  const validated = validateRecord({ ...someClaim, ...change });
  return validated.ok ? "ok" : validated.rejection.code;
}

describe("validating a record", () => {
  test("takes a well-formed claim, and leaves out what it does not know", () => {
    expect(validateRecord({ ...someClaim, priority: "URGENT" })).toEqual({ ok: true, claim: someClaim });
  });

  test.each([
    ["missing_field", { claimant: undefined }],
    ["missing_field", { policyId: "" }],
    ["missing_field", { payee: { name: "A" } }],
    ["wrong_type", { claimedMinor: "1.250,00" }],
    ["wrong_type", { description: null }],
    ["wrong_type", { circumstances: "none" }],
    ["wrong_type", { line: "travel" }],
    ["unknown_currency", { currency: "USD" }],
    ["unknown_currency", { currency: "eur" }],
    ["amount_not_positive", { claimedMinor: 0 }],
    ["amount_not_positive", { claimedMinor: -35_000 }],
    ["amount_not_whole", { claimedMinor: 129.95 }],
    ["bad_date", { lossDate: "2026-02-30" }],
    ["bad_date", { reportedOn: "12.03.2026" }],
    ["bad_iban", { payee: { name: "A", iban: "DE00999999990000004137" } }],
    ["loss_after_report", { lossDate: "2026-05-21", reportedOn: "2026-05-19" }],
    ["ok", { lossDate: "2024-02-29" }],
  ])("%s for %j", (code, change) => {
    expect(codeOf(change)).toBe(code);
  });

  test.each([null, "a sentence", 7, true, [someClaim]])("%j is no record", (record) => {
    expect(validateRecord(record)).toMatchObject({ ok: false, rejection: { code: "not_an_object" } });
  });

  test("names every fault, but quotes no more than a little of what was sent", () => {
    const validated = validateRecord({ ...someClaim, currency: "x".repeat(5_000), claimedMinor: "12" });
    if (validated.ok) throw new Error("This record is bad.");
    expect(validated.rejection.reason).toMatch(/currency is the text .*claimedMinor is the text "12"/);
    expect(validated.rejection.reason.length).toBeLessThan(300);
  });

  test("never throws, and what it takes fits the schema", () => {
    const field = fc.constantFrom(...(Object.keys(someClaim) as (keyof Claim)[]));
    const record = fc.oneof(
      fc.jsonValue(),
      fc.tuple(field, fc.jsonValue()).map(([name, value]) => ({ ...someClaim, [name]: value })),
    );
    fc.assert(
      fc.property(record, (value) => {
        const validated = validateRecord(value);
        if (validated.ok) expect(claimSchema.parse(validated.claim)).toEqual(validated.claim);
        else expect(validated.rejection.reason).not.toBe("");
        expect(typeof claimIdOf(value)).toBe("string");
      }),
    );
  });
});
