import canonicalize from "canonicalize";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, NotCanonicalError, sha256 } from "../../../runtime/core/canonical.ts";

const library = canonicalize as unknown as (value: unknown) => string;

const text = fc.string({ unit: "binary" });
const number = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .filter((value) => !Object.is(value, -0) && (!Number.isInteger(value) || Number.isSafeInteger(value)));
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(text, number, fc.maxSafeInteger(), fc.boolean(), fc.constant(null)),
    fc.array(tie("json")),
    fc.dictionary(
      text.filter((key) => key !== "__proto__"),
      tie("json"),
    ),
  ),
}));

describe("canonical JSON", () => {
  test("any JSON value - has the text that another implementation of RFC 8785 gives it", () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalJson(value)).toBe(library(value));
      }),
      { numRuns: 2_000 },
    );
  });

  test("keys - are in the order of their UTF-16 code units, as in the RFC's example", () => {
    const value = {
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis",
    };
    const order = ["\\r", "1", "\u0080", "\u00f6", "\u20ac", "\ud83d\ude00", "\ufb33"];
    const text = canonicalJson(value);
    const places = order.map((key) => text.indexOf(`"${key}":`));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places).not.toContain(-1);
  });

  test("numbers and text - are written as ECMAScript writes them, as in the RFC's example", () => {
    const numbers = [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001];
    // The RFC's 1e30 is an integer beyond 2^53, which nobody means exactly: it is refused here.
    expect(() => canonicalJson(numbers)).toThrow("/1 is an integer beyond 2^53");
    expect(canonicalJson(numbers.filter((number) => number !== 1e30))).toBe("[333333333.3333333,4.5,0.002,1e-27]");
    expect(canonicalJson('\u20ac$\u000f\nA\'B"\\\\"/')).toBe('"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"');
    expect(canonicalJson([null, true, false])).toBe("[null,true,false]");
  });

  const refused: readonly (readonly [string, unknown, string])[] = [
    ["undefined in an object", { a: { b: undefined } }, "/a/b is undefined"],
    ["undefined at the top", undefined, "the top is undefined"],
    ["a hole", { list: new Array(2) }, "/list/0 is undefined"],
    ["a function", [() => 1], "/0 is a function"],
    ["a bigint", { n: 1n }, "/n is a bigint"],
    ["NaN", { n: NaN }, "/n is NaN"],
    ["infinity", [[-Infinity]], "/0/0 is -Infinity"],
    ["an unsafe integer", { n: 2 ** 53 }, "/n is an integer beyond 2^53"],
    ["negative zero", { n: -0 }, "/n is negative zero"],
    ["half of a surrogate pair", { text: "\ud83d" }, "/text is a string with half of a surrogate pair"],
    ["half of a surrogate pair in a key", { a: { "\ud83d": 1 } }, "/a is a key with half of a surrogate pair"],
    ["a date", { at: new Date(0) }, "/at is an instance of Date"],
    ["a map", new Map(), "the top is an instance of Map"],
    ["the key __proto__", { a: JSON.parse('{"__proto__":1}') as unknown }, "/a/__proto__ is the key __proto__"],
  ];
  test.each(refused)("%s - is refused, and the place is named", (_, value, message) => {
    expect(() => canonicalJson(value)).toThrow(NotCanonicalError);
    expect(() => canonicalJson(value)).toThrow(`The value at ${message}, which cannot be recorded`);
  });

  test("what contains itself - is an error and no endless loop", () => {
    const value: Record<string, unknown> = {};
    value["self"] = value;
    expect(() => canonicalJson(value)).toThrow(RangeError);
  });
});

test("SHA-256 of text - is that of its UTF-8", () => {
  expect(sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(sha256("€")).toBe(sha256(new TextEncoder().encode("€")));
});
