import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  answerFields,
  fieldName,
  readAnswer,
  type AnswerField,
  type Typed,
} from "../../../console/web/inbox/answer-fields.ts";
import { canonicalJson } from "../../../runtime/core/canonical.ts";
import type { JsonObject, JsonValue } from "../../../runtime/core/json.ts";

/** The schema as a question carries it: as the engine makes it, and as it comes back from the record. */
function recorded(schema: z.ZodType): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return JSON.parse(canonicalJson(rest)) as JsonObject;
}

const fieldsOf = (schema: z.ZodType): readonly AnswerField[] => answerFields(recorded(schema));
const kinds = (schema: z.ZodType): string[] => fieldsOf(schema).map(({ input }) => input.kind);

describe("the form of an answer", () => {
  it("is text, a number, a choice or JSON, as the question's schema says", () => {
    expect(kinds(z.string())).toEqual(["text"]);
    expect(kinds(z.int())).toEqual(["number"]);
    expect(kinds(z.boolean())).toEqual(["choice"]);
    expect(kinds(z.enum(["repair", "replace"]))).toEqual(["choice"]);
    expect(kinds(z.union([z.literal("yes"), z.literal(7), z.enum(["a", "b"])]))).toEqual(["choice"]);
    expect(kinds(z.array(z.string()))).toEqual(["json"]);
    expect(kinds(z.union([z.string(), z.int()]))).toEqual(["json"]);
    expect(kinds(z.record(z.string(), z.string()))).toEqual(["json"]);
    expect(kinds(z.unknown())).toEqual(["json"]);
  });

  it("has a field for each property, the needed ones first and in the order of the declaration", () => {
    const fields = fieldsOf(
      z.object({
        surveyor: z.string().optional(),
        when: z.iso.date(),
        budgetCents: z.int().positive().describe("What it may cost"),
        stops: z.array(z.string()),
      }),
    );
    expect(fields.map(({ key, whenEmpty, input }) => [key, whenEmpty, input.kind])).toEqual([
      ["when", "refused", "text"],
      ["budgetCents", "refused", "number"],
      ["stops", "refused", "json"],
      ["surveyor", "left_out", "text"],
    ]);
    expect(fields[0]?.input).toEqual({ kind: "text", type: "date" });
    expect(fields[1]?.hint).toBe("What it may cost; more than 0");
    expect(fields[2]?.input).toEqual({ kind: "json", example: '["…"]' });
  });

  it("keeps types: a number is sent as a number, a choice as its value, text as it was typed", () => {
    const fields = fieldsOf(z.object({ cents: z.int(), keep: z.boolean(), rate: z.number(), note: z.string() }));
    expect(readAnswer(fields, { cents: "1250", keep: "1", rate: "0.5", note: " 12 " })).toEqual({
      answer: { cents: 1250, keep: false, rate: 0.5, note: " 12 " },
    });
  });

  it("names the first field that is not right", () => {
    const fields = fieldsOf(z.object({ cents: z.int(), stops: z.array(z.string()) }));
    const read = (typed: Typed) => readAnswer(fields, typed);
    expect(read({})).toMatchObject({ problem: "“cents” is needed.", field: { key: "cents" } });
    for (const cents of ["12.5", "0x10", "1 250", "twelve", "9007199254740993", "Infinity"]) {
      expect(read({ cents }), cents).toMatchObject({ field: { key: "cents" } });
    }
    expect(read({ cents: "1", stops: "[Bern" })).toMatchObject({ field: { key: "stops" } });
    expect(readAnswer(fieldsOf(z.string()), {})).toMatchObject({ problem: "Give an answer." });
  });

  it("leaves out what may be left out, and gives null where nothing else is meant", () => {
    const fields = fieldsOf(z.object({ note: z.string().optional(), until: z.iso.date().nullable() }));
    expect(readAnswer(fields, {})).toEqual({ answer: { until: null } });
  });

  it("can say everything that a simple schema allows", () => {
    const value = fc.oneof(
      fc.string({ minLength: 1 }).filter((text) => text.trim() !== "" && text.isWellFormed()),
      fc.integer(),
      fc.boolean(),
      fc.constantFrom("repair", "replace"),
    );
    const parts = z.object({
      text: z.string(),
      whole: z.int(),
      flag: z.boolean().optional(),
      choice: z.enum(["repair", "replace"]).nullable(),
      list: z.array(z.union([z.string(), z.int()])),
    });
    const answers = fc.record(
      {
        text: fc.string({ minLength: 1 }).filter((text) => text.trim() !== ""),
        whole: fc.maxSafeInteger(),
        flag: fc.boolean(),
        choice: fc.constantFrom("repair", "replace", null),
        list: fc.array(value.filter((item) => typeof item !== "boolean")),
      },
      { requiredKeys: ["text", "whole", "choice", "list"] },
    );
    const fields = fieldsOf(parts);
    fc.assert(
      fc.property(answers, (answer) => {
        const typed = Object.fromEntries(fields.map((field) => [fieldName(field), typedAs(field, answer)]));
        const read = readAnswer(fields, typed);
        expect(read).toEqual({ answer });
        expect(parts.safeParse("answer" in read ? read.answer : undefined).success).toBe(true);
      }),
    );
  });
});

/** What a person types or chooses to say this. */
function typedAs({ key, input }: AnswerField, answer: Readonly<Record<string, JsonValue | undefined>>): string {
  const value = answer[key ?? ""];
  if (value === undefined || value === null) return "";
  if (input.kind === "choice") return String(input.choices.findIndex((choice) => choice.value === value));
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
