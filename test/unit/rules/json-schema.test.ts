import { checkParseContext, checkParseSchema } from "@cedar-policy/cedar-wasm/nodejs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { JsonObject, JsonValue } from "../../../runtime/core/json.ts";
import { cedarSchema, contextRecord } from "../../../runtime/rules/cedar-schema.ts";
import { findMisfit } from "../../../runtime/rules/faults.ts";
import { visibleInput } from "../../../runtime/rules/json-schema.ts";
import { usedPart } from "../../../runtime/rules/used.ts";
import { mergeRecords, type VisibleRecord, type VisibleType } from "../../../runtime/rules/visible.ts";
import { inputSchema } from "./support.ts";

/** A type in short: `Long`, `Long?` (optional), `[String]`, `{...}`, or `- reason`. */
function short(type: VisibleType): unknown {
  if (type.type === "Set") return [short(type.element)];
  if (type.type !== "Record") return type.type;
  if (type.opaque !== undefined) return `- ${type.opaque}`;
  const fields = Object.entries(type.fields).map(([name, { value, optional }]) => [
    optional ? `${name}?` : name,
    short(value),
  ]);
  const hidden = Object.entries(type.hidden).map(([name, why]) => [name, `- ${why}`]);
  return Object.fromEntries([...fields, ...hidden, ...(type.open ? [["...", true]] : [])]) as unknown;
}

const seen = (schema: z.ZodType): unknown => short(visibleInput(inputSchema(schema)));

describe("what rules see of a tool's input", () => {
  test("text, whole numbers, booleans, lists and objects are what they are", () => {
    expect(
      seen(
        z.object({
          id: z.uuid(),
          at: z.iso.datetime(),
          amountCents: z.int().positive(),
          small: z.int32(),
          urgent: z.boolean(),
          tags: z.array(z.string()),
          items: z.array(z.object({ sku: z.string(), count: z.int() })),
          address: z.object({ city: z.string(), geo: z.object({ country: z.string() }) }),
        }),
      ),
    ).toEqual({
      id: "String",
      at: "String",
      amountCents: "Long",
      small: "Long",
      urgent: "Bool",
      tags: ["String"],
      items: [{ sku: "String", count: "Long" }],
      address: { city: "String", geo: { country: "String" } },
    });
  });

  test("enumerations, literals and unions of one type are that type", () => {
    expect(
      seen(
        z.object({
          currency: z.enum(["EUR", "USD"]),
          version: z.literal(2),
          level: z.literal([1, 2, 3]),
          yes: z.literal(true),
          either: z.union([z.literal("a"), z.literal("b")]),
          mixed: z.literal([1, "a"]),
          half: z.literal([0.5, 1]),
        }),
      ),
    ).toEqual({
      currency: "String",
      version: "Long",
      level: "Long",
      yes: "Bool",
      either: "String",
      mixed: "- union",
      half: "- fraction",
    });
  });

  test("what may be absent or null is optional", () => {
    expect(
      seen(
        z.object({
          a: z.string().optional(),
          b: z.string().nullable(),
          c: z.int().nullish(),
          d: z.boolean().default(false),
          e: z.enum(["x", "y"]).nullable(),
          f: z.object({ g: z.int() }).nullable(),
        }),
      ),
    ).toEqual({ "a?": "String", "b?": "String", "c?": "Long", d: "Bool", "e?": "String", "f?": { g: "Long" } });
  });

  test("what Cedar cannot type is hidden, with the reason", () => {
    const node = z.object({
      name: z.string(),
      get children() {
        return z.array(node);
      },
    });
    expect(
      seen(
        z.object({
          rate: z.number(),
          rates: z.array(z.number()),
          any: z.unknown(),
          json: z.json(),
          byName: z.record(z.string(), z.int()),
          pair: z.tuple([z.string(), z.int()]),
          shape: z.union([z.object({ a: z.int() }), z.object({ b: z.int() })]),
          textOrNumber: z.union([z.string(), z.int()]),
          nothing: z.null(),
          holes: z.array(z.string().nullable()),
          tree: z.object({ root: node }),
          date: z.date(),
        }),
      ),
    ).toEqual({
      rate: "- fraction",
      rates: "- fraction",
      any: "- any",
      json: "- union",
      byName: "- dynamic_keys",
      pair: "- tuple",
      shape: "- union",
      textOrNumber: "- union",
      nothing: "- null",
      holes: "- null_element",
      tree: { root: { name: "String", children: "- recursive" } },
      date: "- any",
    });
  });

  test("definitions that are used twice are followed", () => {
    const cents = z.int().meta({ id: "cents" });
    expect(seen(z.object({ net: cents, gross: cents.describe("with tax") }))).toEqual({ net: "Long", gross: "Long" });
    const whole = z.object({ a: z.int() }).meta({ id: "whole" });
    expect(seen(whole)).toEqual({ a: "Long" });
  });

  test("an object that takes more than its schema lists shows what is listed", () => {
    expect(seen(z.looseObject({ a: z.int() }))).toEqual({ a: "Long", "...": true });
    expect(short(visibleInput({ type: "object", properties: { a: { type: "integer" } } }))).toEqual({
      "a?": "Long",
      "...": true,
    });
  });

  test("an input that is no object shows nothing", () => {
    expect(seen(z.string())).toBe("- union");
    expect(seen(z.union([z.object({ a: z.int() }), z.object({ b: z.int() })]))).toBe("- union");
    expect(seen(z.record(z.string(), z.int()))).toBe("- dynamic_keys");
    expect(seen(z.unknown())).toBe("- any");
    expect(short(visibleInput(true))).toBe("- any");
    expect(short(visibleInput({ $ref: "#/$defs/gone" }))).toBe("- unsupported");
    expect(short(visibleInput({ allOf: [] }))).toBe("- unsupported");
  });

  test("property names that Cedar or JavaScript reserve are never shown", () => {
    const properties = JSON.parse(
      `{"__entity": {"type": "string"}, "__proto__": {"type": "string"}, "constructor": {"type": "string"}}`,
    ) as JsonObject;
    expect(short(visibleInput({ type: "object", properties, additionalProperties: false }))).toEqual({
      "constructor?": "String",
      __entity: "- reserved",
    });
  });
});

describe("one action with several inputs", () => {
  const merge = (a: z.ZodType, b: z.ZodType): unknown =>
    short(mergeRecords(visibleInput(inputSchema(a)), visibleInput(inputSchema(b))));

  test("shows what all have, and as optional what only some have", () => {
    expect(
      merge(
        z.object({ claim: z.string(), amountCents: z.int(), at: z.object({ city: z.string() }) }),
        z.object({ claim: z.string(), at: z.object({ zip: z.string() }) }),
      ),
    ).toEqual({ claim: "String", "amountCents?": "Long", at: { "city?": "String", "zip?": "String" } });
  });

  test("hides what differs", () => {
    expect(merge(z.object({ a: z.int(), b: z.int() }), z.object({ a: z.string(), b: z.number() }))).toEqual({
      a: "- differs",
      b: "- fraction",
    });
    expect(merge(z.object({ a: z.int() }), z.looseObject({}))).toEqual({ a: "- differs", "...": true });
    expect(merge(z.object({ a: z.int() }), z.string())).toBe("- differs");
  });
});

/** A random visible type with a value that fits it. */
const name = fc
  .oneof(
    fc.string({ unit: "grapheme", maxLength: 8 }),
    fc.constantFrom("", "in", "if", "constructor", "toString", "__cedar", 'a"b', "a.b", "\u0000"),
  )
  .filter((key) => !["__proto__", "__entity", "__extn", "__expr"].includes(key));

type Fitting = readonly [type: VisibleType, value: JsonValue];
const { fitting } = fc.letrec<{ fitting: Fitting; record: Fitting }>((tie) => ({
  fitting: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: "grapheme" }).map((value): Fitting => [{ type: "String" }, value]),
    fc.maxSafeInteger().map((value): Fitting => [{ type: "Long" }, value]),
    fc.boolean().map((value): Fitting => [{ type: "Bool" }, value]),
    fc
      .array(fc.string({ unit: "grapheme" }))
      .map((value): Fitting => [{ type: "Set", element: { type: "String" } }, value]),
    tie("record"),
  ),
  record: fc
    .uniqueArray(fc.tuple(name, tie("fitting"), fc.constantFrom("required", "absent", "null", "given")), {
      selector: ([key]) => key,
      maxLength: 5,
    })
    .map((entries): Fitting => {
      const fields = entries.map(([key, [value], state]) => [key, { value, optional: state !== "required" }]);
      const values = entries
        .filter(([, , state]) => state !== "absent")
        .map(([key, [, value], state]) => [key, state === "null" ? null : value]);
      const type = { type: "Record", fields: Object.fromEntries(fields) as never, hidden: {}, open: false } as const;
      return [type, Object.fromEntries(values) as JsonObject];
    }),
}));

describe("Cedar and the generator agree", () => {
  test("on every type and every value of it", () => {
    fc.assert(
      fc.property(fitting, ([type, value]) => {
        const input: VisibleRecord = {
          type: "Record",
          fields: { value: { value: type, optional: false } },
          hidden: {},
          open: false,
        };
        const context = contextRecord(input);
        const schema = cedarSchema([{ kind: "tool", name: "a.b", context }]);
        expect(checkParseSchema(schema)).toEqual({ type: "success" });
        const call = {
          input: { value },
          run: { session: "s", depth: 0, startedBy: { kind: "person", id: "amy" } },
          approval: { satisfied: false },
        };
        expect(findMisfit(context, call)).toBeUndefined();
        const part = usedPart(context, call);
        const answer = checkParseContext({ context: part as never, schema, action: { type: "Action", id: "a.b" } });
        expect(answer).toEqual({ type: "success" });
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
