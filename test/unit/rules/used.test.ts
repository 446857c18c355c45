import { type Clause, policyToJson } from "@cedar-policy/cedar-wasm/nodejs";
import { describe, expect, test } from "vitest";
import { durationMs } from "../../../runtime/rules/annotations.ts";
import { nearest } from "../../../runtime/rules/nearest.ts";
import { type Used, usedContext } from "../../../runtime/rules/used.ts";

function conditions(text: string): readonly Clause[] {
  const parsed = policyToJson(`permit (principal, action, resource) ${text};`);
  if (parsed.type === "failure") throw new Error(parsed.errors[0]?.message);
  return parsed.json.conditions;
}

/** `{a: {b: true}}` for a use of `context.a.b`. */
function plain(used: Used): unknown {
  return used === true ? true : Object.fromEntries([...used].map(([name, below]) => [name, plain(below)]));
}

const used = (...rules: string[]): unknown => plain(usedContext(rules.map(conditions)));

describe("what rules look at", () => {
  test.each<[string, unknown]>([
    ["", {}],
    [`when { principal == Agent::"a" && 1 < 2 }`, {}],
    ["when { context.a.b > 5 }", { a: { b: true } }],
    [`when { context["a"]["b c"] == "" }`, { a: { "b c": true } }],
    ["when { context.a has b }", { a: { b: true } }],
    ["when { context has a.b.c }", { a: { b: { c: true } } }],
    ["when { context has a && context.a.b }", { a: true }],
    ["when { context.a.b.contains(context.c) }", { a: { b: true }, c: true }],
    [
      `unless { if context.a then [context.b] == [] else {x: context.c.d}.x like "*" }`,
      { a: true, b: true, c: { d: true } },
    ],
    [`when { ip("1.1.1.1").isInRange(context.a) || -context.b * 2 > 1 || !context.c }`, { a: true, b: true, c: true }],
    ["when { context == {a: 1} }", true],
    ["when { {a: context}.a.b == 1 }", true],
    ["when { (if true then context else context).a }", true],
    [`when { context.a } unless { context.b }`, { a: true, b: true }],
  ])("%s", (text, expected) => {
    expect(used(text)).toEqual(expected);
  });

  test("is what all of them look at, together", () => {
    expect(used("when { context.a.b }", "when { context.a.c }", "")).toEqual({ a: { b: true, c: true } });
    expect(used("when { context.a.b }", "when { context.a == {b: true} }")).toEqual({ a: true });
    expect(used("when { context.a == {b: true} }", "when { context.a.b }")).toEqual({ a: true });
  });
});

describe("durations", () => {
  test.each([
    ["PT1S", 1_000],
    ["PT90M", 5_400_000],
    ["PT4H", 14_400_000],
    ["P1D", 86_400_000],
    ["P1W", 604_800_000],
    ["P1DT12H30M5S", 131_405_000],
    ["P366D", 366 * 86_400_000],
  ])("%s", (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  test.each(["", "P", "PT", "P1DT", "1H", "PT1.5H", "P1Y", "P1M", "PT0S", "-PT1H", "pt1h", "PT1H ", "PT1M1H", "P367D"])(
    "%j is none",
    (text) => {
      expect(durationMs(text)).toBeUndefined();
    },
  );
});

describe("did you mean", () => {
  test.each([
    ["amonutCents", ["orderId", "amountCents"], "amountCents"],
    ["refnd", ["refund", "lookup"], "refund"],
    ["Amount", ["amount"], "amount"],
    ["x", ["y", "amount"], undefined],
    ["id", ["ids", "amount"], "ids"],
    ["zzz", ["amount", "note"], undefined],
    ["", [], undefined],
  ])("%s of %j: %s", (word, known, expected) => {
    expect(nearest(word, known)).toBe(expected);
  });
});
