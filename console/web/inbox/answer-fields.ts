import type { JsonObject, JsonValue } from "../../../runtime/core/json.ts";
import { parseJson } from "./parse-json.ts";

/**
 * The form of an answer, made from the JSON Schema that a question was asked with: a field for each
 * simple part, and JSON for what is not simple. A form only helps; the server checks what is sent.
 */
export interface AnswerField {
  /** The property that it fills; null where the whole answer is this one value. */
  readonly key: string | null;
  readonly label: string;
  readonly hint: string;
  /** What leaving it empty means. */
  readonly whenEmpty: "refused" | "left_out" | "null";
  readonly input: FieldInput;
}

export type FieldInput =
  | { readonly kind: "text"; readonly type: "lines" | "text" | "date" | "email" | "url" }
  | { readonly kind: "number"; readonly whole: boolean }
  | { readonly kind: "choice"; readonly choices: readonly Choice[] }
  | { readonly kind: "json"; readonly example: string };

export interface Choice {
  readonly label: string;
  readonly value: JsonValue;
}

/** What people have typed, by field: for a choice the number of the chosen one. */
export type Typed = Readonly<Record<string, string>>;

const TEXT_TYPES: Readonly<Record<string, "date" | "email" | "url" | "text">> = {
  date: "date",
  email: "email",
  uri: "url",
};

/** Numbers as people write them: `Number` also takes `0x10`. */
const DECIMAL = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i;

export function answerFields(schema: JsonObject): readonly AnswerField[] {
  const properties = schema["properties"];
  if (schema["type"] !== "object" || !isObject(properties) || Object.keys(properties).length === 0) {
    return [fieldOf(null, schema, true)];
  }
  // The record sorts properties by name; the required ones also stand in the order in which they were declared.
  const required = textsOf(schema["required"]).filter((key) => key in properties);
  const optional = Object.keys(properties).filter((key) => !required.includes(key));
  return [...required, ...optional].map((key) => {
    const property = properties[key];
    return fieldOf(key, isObject(property) ? property : {}, required.includes(key));
  });
}

/** How a field's value is kept in what was typed. */
export function fieldName(field: AnswerField): string {
  return field.key ?? "";
}

/** The answer as it is sent; or the first field that is not right, and why. */
export function readAnswer(
  fields: readonly AnswerField[],
  typed: Typed,
): { readonly answer: JsonValue } | { readonly problem: string; readonly field: AnswerField } {
  const entries: [string, JsonValue][] = [];
  for (const field of fields) {
    const read = readField(field, typed[fieldName(field)] ?? "");
    if ("problem" in read) return { problem: read.problem, field };
    if (read.value === undefined) continue;
    if (field.key === null) return { answer: read.value };
    entries.push([field.key, read.value]);
  }
  return { answer: Object.fromEntries(entries) };
}

function readField(
  field: AnswerField,
  text: string,
): { readonly value: JsonValue | undefined } | { readonly problem: string } {
  const { input, label, whenEmpty } = field;
  if (text.trim() === "") {
    if (whenEmpty === "left_out") return { value: undefined };
    if (whenEmpty === "null") return { value: null };
    return { problem: field.key === null ? "Give an answer." : `“${label}” is needed.` };
  }
  switch (input.kind) {
    case "text":
      return { value: text };
    case "choice":
      return { value: input.choices[Number(text)]?.value };
    case "json":
      return parseJson(text, field.key === null ? "The answer" : `“${label}”`);
    case "number": {
      const number = DECIMAL.test(text.trim()) ? Number(text) : Number.NaN;
      if (!Number.isFinite(number)) return { problem: `“${label}” is not a number.` };
      if (input.whole && !Number.isSafeInteger(number)) return { problem: `“${label}” must be a whole number.` };
      return { value: number };
    }
  }
}

function fieldOf(key: string | null, schema: JsonObject, required: boolean): AnswerField {
  const { inner, nullable } = withoutNull(schema);
  const title = schema["title"] ?? inner["title"];
  return {
    key,
    label: typeof title === "string" ? title : (key ?? "Your answer"),
    hint: hintOf(schema["description"] ?? inner["description"], inner),
    whenEmpty: !required ? "left_out" : nullable ? "null" : "refused",
    input: inputOf(inner),
  };
}

function inputOf(schema: JsonObject): FieldInput {
  const choices = choicesOf(schema);
  if (choices !== undefined) return { kind: "choice", choices };
  const format = schema["format"];
  switch (schema["type"]) {
    case "string":
      return { kind: "text", type: typeof format === "string" ? (TEXT_TYPES[format] ?? "text") : "lines" };
    case "integer":
      return { kind: "number", whole: true };
    case "number":
      return { kind: "number", whole: false };
    default:
      return { kind: "json", example: JSON.stringify(exampleOf(schema)) };
  }
}

/** The values to choose from, where the schema names them all. */
function choicesOf(schema: JsonObject): readonly Choice[] | undefined {
  if ("const" in schema) return [choice(schema["const"] ?? null)];
  if (Array.isArray(schema["enum"])) return schema["enum"].map(choice);
  if (schema["type"] === "boolean") return [choice(true), choice(false)];
  const options = optionsOf(schema);
  if (options === undefined) return undefined;
  const all = options.map((option) => (isObject(option) ? choicesOf(option) : undefined));
  return all.every((choices) => choices !== undefined) ? all.flat() : undefined;
}

function choice(value: JsonValue): Choice {
  if (value === true) return { label: "Yes", value };
  if (value === false) return { label: "No", value };
  return { label: typeof value === "string" ? value : JSON.stringify(value), value };
}

/** `X or null` as X, and whether null is among what it may be. */
function withoutNull(schema: JsonObject): { readonly inner: JsonObject; readonly nullable: boolean } {
  const options = optionsOf(schema);
  const rest = options?.filter((option) => !isObject(option) || option["type"] !== "null");
  const [only] = rest ?? [];
  if (options === undefined || rest === undefined || rest.length === options.length) {
    return { inner: schema, nullable: false };
  }
  return { inner: rest.length === 1 && isObject(only) ? only : { anyOf: rest }, nullable: true };
}

function optionsOf(schema: JsonObject): readonly JsonValue[] | undefined {
  const options = schema["anyOf"] ?? schema["oneOf"];
  return Array.isArray(options) && options.length > 0 ? (options as readonly JsonValue[]) : undefined;
}

function hintOf(description: JsonValue | undefined, schema: JsonObject): string {
  const said = typeof description === "string" ? [description] : [];
  const standard = schema["default"] === undefined ? [] : [`if left empty: ${JSON.stringify(schema["default"])}`];
  return [...said, ...limitsOf(schema), ...standard].join("; ");
}

function limitsOf(schema: JsonObject): readonly string[] {
  const limit = (key: string, words: (n: string) => string): readonly string[] => {
    const value = schema[key];
    // A whole number's schema also says how large a number of JavaScript's may be: that tells nobody anything.
    return typeof value === "number" && Math.abs(value) < Number.MAX_SAFE_INTEGER
      ? [words(value.toLocaleString("en"))]
      : [];
  };
  return [
    ...limit("minimum", (n) => `at least ${n}`),
    ...limit("exclusiveMinimum", (n) => `more than ${n}`),
    ...limit("maximum", (n) => `at most ${n}`),
    ...limit("exclusiveMaximum", (n) => `less than ${n}`),
    ...limit("minLength", (n) => (n === "1" ? "not empty" : `at least ${n} characters`)),
    ...limit("maxLength", (n) => `at most ${n} characters`),
  ];
}

/** Something of the schema's shape, to copy from. */
function exampleOf(schema: JsonObject, depth = 0): JsonValue {
  const [first] = choicesOf(schema) ?? [];
  if (first !== undefined) return first.value;
  const [option] = optionsOf(schema) ?? [];
  if (isObject(option)) return exampleOf(option, depth + 1);
  const { items, properties } = schema;
  if (depth > 3) return "…";
  switch (schema["type"]) {
    case "string":
      return "…";
    case "number":
    case "integer":
      return 1;
    case "null":
      return null;
    case "array":
      return [exampleOf(isObject(items) ? items : {}, depth + 1)];
    case "object":
      return Object.fromEntries(
        Object.entries(isObject(properties) ? properties : {}).map(([key, each]) => [
          key,
          exampleOf(isObject(each) ? each : {}, depth + 1),
        ]),
      );
    default:
      return "…";
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];
}
