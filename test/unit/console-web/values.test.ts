import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseResult } from "../../../console/web/approvals/parse-result.ts";
import { ago, duration } from "../../../console/web/ui/duration.ts";
import { readableAmount } from "../../../console/web/values/money.ts";
import { summary } from "../../../console/web/values/summary.ts";
import { cutText, visibleParts, visibleString } from "../../../console/web/values/visible-text.ts";
import type { JsonValue } from "../../../runtime/core/json.ts";

/** Everything that does not show, or that changes how its neighbours show. */
const HIDDEN = /(?![\n\t\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

describe("visible text", () => {
  it("lets nothing hidden through, and loses nothing", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const parts = visibleParts(text);
        expect(parts.filter((part) => part.kind === "plain" && HIDDEN.test(part.text))).toEqual([]);
        const back = parts.map((part) =>
          part.kind === "plain" ? part.text : String.fromCodePoint(Number.parseInt(part.code.slice(2), 16)),
        );
        expect(back.join("")).toBe(text);
      }),
    );
  });

  it.each([
    ["right-to-left override", "pay \u202Eetar eht", "pay ⟨U+202E⟩etar eht"],
    ["terminal colours", "\u001b[31mred", "⟨U+001B⟩[31mred"],
    ["zero-width space", "ad\u200bmin", "ad⟨U+200B⟩min"],
    ["a joiner outside of an emoji", "ad\u200dmin", "ad⟨U+200D⟩min"],
    ["letters of the tag block", "ok\u{E0041}", "ok⟨U+E0041⟩"],
    ["half of a surrogate pair", "a\ud83d", "a⟨U+D83D⟩"],
    ["a carriage return", "one\rtwo", "one⟨U+000D⟩two"],
    ["braille blank", "a\u2800b", "a⟨U+2800⟩b"],
  ])("shows %s", (_what, text, shown) => {
    expect(visibleString(text)).toBe(shown);
  });

  it("leaves lines, tabs, other scripts and emoji as they are", () => {
    for (const text of ["one\ntwo\tthree", "مطالبة", "保険金", "👩‍🚒 ok", "❤️‍🔥"]) expect(visibleString(text)).toBe(text);
  });

  it("cuts without leaving half of a character", () => {
    expect(cutText("ab😀", 3)).toBe("ab");
    expect(cutText("ab😀", 4)).toBe("ab😀");
  });
});

describe("summary", () => {
  it("fits on one line of the asked length, whatever the value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 10, max: 200 }), (value, length) => {
        const text = summary(value as JsonValue, length);
        expect(text.length).toBeLessThanOrEqual(length);
        expect(text).not.toMatch(/[\n\r]/);
      }),
    );
  });

  it("does not read more of a value than fits", () => {
    const wide = new Proxy(
      { a: "x".repeat(500) },
      {
        ownKeys: () => ["a", ...Array.from({ length: 10_000 }, (_, i) => `k${String(i)}`)],
        getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
        get: (_target, key) => {
          if (key === "a") return "x".repeat(500);
          throw new Error(`It read ${String(key)}.`);
        },
      },
    );
    expect(summary(wide as JsonValue, 80)).toHaveLength(80);
  });

  it("names fields and quotes texts", () => {
    expect(summary({ claimId: "CLM-1", amountCents: 5, tags: ["a"], by: { id: 1 } })).toBe(
      'claimId: "CLM-1", amountCents: 5, tags: ["a"], by: {id: 1}',
    );
  });
});

describe("readable amount", () => {
  it("follows the currency beside it, with its own number of digits", () => {
    expect(readableAmount("amountCents", 412_000, { currency: "EUR" })).toBe("EUR\u00a04,120.00");
    expect(readableAmount("amountMinor", 5000, { currency: "JPY" })).toBe("JPY\u00a05,000");
    expect(readableAmount("amountCents", 5, {})).toBe("0.05");
  });

  it("says nothing of other numbers", () => {
    expect(readableAmount("count", 5, { currency: "EUR" })).toBeUndefined();
    expect(readableAmount("amountCents", "5", {})).toBeUndefined();
    expect(readableAmount("amountCents", 5, { currency: "<b>" })).toBe("0.05");
  });
});

describe("times in words", () => {
  it.each([
    [0.2, "< 1 ms"],
    [340, "340 ms"],
    [2400, "2.4 s"],
    [59_900, "59 s"],
    [200_000, "3 min 20 s"],
    [3_600_000, "1 h"],
    [187_200_000, "2 d 4 h"],
  ])("%d ms is %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it("a clock that is ahead gives no negative time", () => {
    expect(ago(5000, 1000)).toBe("just now");
    expect(ago(0, 240_000)).toBe("4 min ago");
  });
});

describe("typed result", () => {
  it("is JSON, or says what is wrong", () => {
    expect(parseResult('{"receipt":"L-1"}')).toEqual({ value: { receipt: "L-1" } });
    expect(parseResult("null")).toEqual({ value: null });
    expect(parseResult(" ")).toHaveProperty("problem");
    expect(parseResult("{receipt}")).toHaveProperty("problem");
  });
});
