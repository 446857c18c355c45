import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson } from "../../../console/web/inbox/parse-json.ts";
import { ago, duration } from "../../../console/web/ui/duration.ts";
import { readableTime } from "../../../console/web/values/date.ts";
import { readableAmount } from "../../../console/web/values/money.ts";
import { summary } from "../../../console/web/values/summary.ts";
import { untagged } from "../../../console/web/values/tagged.ts";
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

describe("readable time", () => {
  it("gives a recorded time as people write it, with the time zone", () => {
    const words = /^\w{3}, 24 Nov 2026, \d{2}:\d{2} \S+$/;
    expect(readableTime("pickup", "2026-11-24T12:30:00Z")).toMatch(words);
    expect(readableTime("pickup", "2026-11-24T12:30+01:00")).toMatch(words);
    expect(readableTime("pickupAt", Date.UTC(2026, 10, 24, 12))).toMatch(words);
  });

  it("says nothing of dates alone, of other texts and of other numbers", () => {
    for (const text of ["2026-11-24", "24.11.2026", "2026-11-24T99:99:99Z", "at 2026-11-24T12:30:00Z"]) {
      expect(readableTime("pickupAt", text), text).toBeUndefined();
    }
    expect(readableTime("amountMinor", Date.UTC(2026, 10, 24))).toBeUndefined();
    expect(readableTime("pickupAt", 1_250)).toBeUndefined();
  });
});

describe("what JSON lacks", () => {
  it("is shown as one plain value, and what cannot be is left as it was recorded", () => {
    expect(untagged({ $type: "date", value: "2026-11-24T12:30:00.000Z" })).toBe("2026-11-24T12:30:00.000Z");
    expect(untagged({ $type: "bigint", value: "9007199254740993" })).toBe("9007199254740993");
    expect(untagged({ $type: "set", value: ["a"] })).toEqual(["a"]);
    expect(untagged({ $type: "object", value: [["$type", "date"]] })).toEqual({ $type: "date" });
    const others: JsonValue[] = [{ $type: "message", type: "human" }, { $type: "date", value: 7 }, { a: 1 }, "x", null];
    for (const other of others) expect(untagged(other)).toBe(other);
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
    expect(parseJson('{"receipt":"L-1"}', "The result")).toEqual({ value: { receipt: "L-1" } });
    expect(parseJson("null", "The result")).toEqual({ value: null });
    for (const text of [" ", "{receipt}"]) {
      const read = parseJson(text, "The result");
      expect("problem" in read && read.problem).toMatch(/^The result is not JSON: /);
    }
  });
});
