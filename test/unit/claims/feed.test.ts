import { describe, expect, test } from "vitest";
import { parseFeed } from "../../../agents/claims/feed.ts";
import { isIban } from "../../../agents/claims/iban.ts";
import { formatMinor, median, shareOf } from "../../../agents/claims/money.ts";
import { canonicalJson } from "../../../runtime/core/canonical.ts";

describe("the feed", () => {
  test("numbers lines as they stand, and leaves out empty ones", () => {
    expect(parseFeed('{"claimId":"CLM-1"}\n\n"text"\n').map(({ key, line }) => [key, line])).toEqual([
      ["CLM-1", 1],
      ["line-03", 3],
    ]);
  });

  test.each([
    ['{"cut":', "it is not JSON"],
    ['{"n":90071992547409931}', "beyond 2^53"],
    ['{"n":-0}', "cannot be kept exactly"],
    ['{"n":1e999}', "cannot be kept exactly"],
    ['{"a":["\\ud800"]}', "surrogate"],
    ['{"__proto__":{}}', "__proto__"],
  ])("a line that cannot be recorded exactly is carried as its text: %s", (raw, why) => {
    const [item] = parseFeed(raw);
    expect(item?.input.record).toBe(raw);
    expect(item?.input.unreadable).toContain(why);
    expect(() => canonicalJson(item?.input)).not.toThrow();
  });

  test("a claim id that is no fit key is not used as one", () => {
    expect(parseFeed('{"claimId":"../../etc"}')[0]?.key).toBe("line-01");
    expect(parseFeed('{"claimId":7}')[0]?.key).toBe("line-01");
  });
});

describe("money", () => {
  test.each([
    [0, "0.00 EUR"],
    [5, "0.05 EUR"],
    [-123_456, "-1,234.56 EUR"],
    [100_000_000, "1,000,000.00 EUR"],
  ])("%i minor units are %s", (minor, text) => {
    expect(formatMinor(minor, "EUR")).toBe(text);
  });

  test("a share drops the fraction", () => {
    expect(shareOf(240_001, 75)).toBe(180_000);
  });

  test("the median of two is the lower one, of none there is none", () => {
    expect([median([3, 1]), median([5, 1, 3]), median([])]).toEqual([1, 3, undefined]);
  });
});

describe("account numbers", () => {
  test.each([
    ["GB82WEST12345698765432", true],
    ["DE89370400440532013000", true],
    ["DE88370400440532013000", false],
    ["de89370400440532013000", false],
    ["DE89 3704 0044 0532 0130 00", false],
    ["", false],
  ])("%s: %s", (text, valid) => {
    expect(isIban(text)).toBe(valid);
  });
});
