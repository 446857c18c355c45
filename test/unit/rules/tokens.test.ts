import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { placeAt, splitPolicies, unitsOfBytes } from "../../../runtime/rules/tokens.ts";

describe("cutting a file into rules", () => {
  test("a semicolon in text or in a comment ends nothing", () => {
    const texts = splitPolicies(`// one; "\npermit (a) when { "x;\\";// y" == "z" }; // two;\nforbid (b);\n`);
    expect(texts.map(({ text }) => text)).toEqual([`permit (a) when { "x;\\";// y" == "z" };`, "forbid (b);"]);
  });

  test("a comment ends at a carriage return too, as it does for Cedar", () => {
    expect(splitPolicies("// gone\rpermit (a);").map(({ text }) => text)).toEqual(["permit (a);"]);
  });

  test("what is left without a semicolon is a rule that Cedar will refuse", () => {
    expect(splitPolicies("permit (a); forbid (b)").map(({ text }) => text)).toEqual(["permit (a);", "forbid (b)"]);
  });

  test("comments and white space alone are no rule", () => {
    expect(splitPolicies(" \r\n// nothing\n\t")).toEqual([]);
  });

  test("rules are found where they are between any comments, texts and line ends", () => {
    const text = fc.string({ unit: "grapheme" }).map((inside) => JSON.stringify(inside));
    const filler = fc.oneof(
      fc.constantFrom(" ", "\n", "\r\n", "\r", "\t"),
      fc.string({ unit: "grapheme" }).map((comment) => `//${comment.replaceAll(/[\r\n]/g, "")}\n`),
    );
    const rule = fc.tuple(filler, text, filler).map(([a, b, c]) => `permit${a}(${b})${c};`);
    fc.assert(
      fc.property(fc.array(fc.tuple(filler, rule)), filler, (parts, end) => {
        const file = parts.map(([before, body]) => before + body).join("") + end;
        const found = splitPolicies(file);
        expect(found.map((one) => one.text)).toEqual(parts.map(([, body]) => body));
        for (const one of found) expect(file.startsWith(one.text, one.start)).toBe(true);
      }),
    );
  });
});

describe("places in a file", () => {
  test("lines and columns count from 1, and CRLF is one line break", () => {
    const file = "ab\r\ncd\nef\rgh";
    expect(placeAt(file, 0)).toEqual({ line: 1, column: 1 });
    expect(placeAt(file, file.indexOf("d"))).toEqual({ line: 2, column: 2 });
    expect(placeAt(file, file.indexOf("e"))).toEqual({ line: 3, column: 1 });
    expect(placeAt(file, file.indexOf("h"))).toEqual({ line: 4, column: 2 });
  });

  test("bytes of UTF-8 become UTF-16 units", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (before, after) => {
        expect(unitsOfBytes(before + after, Buffer.byteLength(before))).toBe(before.length);
      }),
    );
  });
});
