import { isPlainObject } from "../core/json.ts";
import {
  type HiddenReason,
  opaqueRecord,
  type VisibleField,
  type VisibleRecord,
  type VisibleType,
  isSameType,
} from "./visible.ts";

type Schema = Readonly<Record<string, unknown>>;
/** What a schema turns into: a type (which may also be null), or why there is none. */
type Seen = { readonly type: VisibleType; readonly nullable: boolean } | { readonly why: HiddenReason };

/** Keys that Cedar's JSON gives a meaning of their own: they could smuggle entities into a call. */
export const RESERVED_KEYS: ReadonlySet<string> = new Set(["__entity", "__extn", "__expr"]);

/**
 * What rules can see of a value of this JSON Schema (draft 2020-12, as `z.toJSONSchema` writes it): text,
 * whole numbers, booleans, enumerations and literals of one type, arrays of these (as sets) and nested
 * objects. Optional and nullable properties become optional attributes. The rest is hidden, see
 * {@link HiddenReason}. A schema that is not that of an object gives a record with nothing in it.
 */
export function visibleInput(schema: unknown): VisibleRecord {
  if (!isPlainObject(schema)) return opaqueRecord("any");
  const seen = read(schema, { root: schema, refs: [] });
  if ("why" in seen) return opaqueRecord(seen.why);
  return seen.type.type === "Record" && !seen.nullable ? seen.type : opaqueRecord("union");
}

interface Scope {
  readonly root: Schema;
  /** The references that lead here: one that comes back is recursive. */
  readonly refs: readonly string[];
}

function read(schema: unknown, scope: Scope): Seen {
  if (!isPlainObject(schema)) return { why: "any" };
  if (typeof schema["$ref"] === "string") return readReference(schema["$ref"], scope);
  for (const keyword of ["anyOf", "oneOf"]) {
    const branches = schema[keyword];
    if (Array.isArray(branches)) return readUnion(branches, scope);
  }
  if ("allOf" in schema || "not" in schema || "if" in schema) return { why: "unsupported" };
  if ("const" in schema) return ofValues([schema["const"]]);
  if (Array.isArray(schema["enum"])) return ofValues(schema["enum"]);
  const { type } = schema;
  if (Array.isArray(type)) {
    return readUnion(
      type.map((one: unknown) => ({ ...schema, type: one })),
      scope,
    );
  }
  switch (type) {
    case "string":
      return plain("String");
    case "integer":
      return plain("Long");
    case "boolean":
      return plain("Bool");
    case "number":
      return { why: "fraction" };
    case "null":
      return { why: "null" };
    case "array":
      return readArray(schema, scope);
    case "object":
      return readObject(schema, scope);
    default:
      return { why: "any" };
  }
}

function plain(type: "Long" | "String" | "Bool"): Seen {
  return { type: { type }, nullable: false };
}

function readReference(ref: string, scope: Scope): Seen {
  if (scope.refs.includes(ref) || ref === "#") return { why: "recursive" };
  const name = /^#\/\$defs\/([^/]+)$/.exec(ref)?.[1]?.replaceAll("~1", "/").replaceAll("~0", "~");
  const definitions = scope.root["$defs"];
  if (name === undefined || !isPlainObject(definitions) || !Object.hasOwn(definitions, name)) {
    return { why: "unsupported" };
  }
  return read(definitions[name], { root: scope.root, refs: [...scope.refs, ref] });
}

/** Branches of one type are that type; a `null` branch makes it nullable. */
function readUnion(branches: readonly unknown[], scope: Scope): Seen {
  const seen = branches.map((branch) => read(branch, scope));
  const others = seen.filter((branch) => !("why" in branch && branch.why === "null"));
  const [first] = others;
  if (!first) return { why: "null" };
  if ("why" in first) return others.length === 1 ? first : { why: "union" };
  let nullable = others.length < seen.length || first.nullable;
  for (const branch of others.slice(1)) {
    // Records are left out even if alike: which keys they may have depends on the branch.
    if ("why" in branch || first.type.type === "Record" || !isSameType(first.type, branch.type)) {
      return { why: "union" };
    }
    nullable ||= branch.nullable;
  }
  return { type: first.type, nullable };
}

function ofValues(values: readonly unknown[]): Seen {
  const others = values.filter((value) => value !== null);
  const nullable = others.length < values.length;
  if (others.length === 0) return { why: "null" };
  if (others.every((value) => typeof value === "string")) return { type: { type: "String" }, nullable };
  if (others.every((value) => Number.isSafeInteger(value))) return { type: { type: "Long" }, nullable };
  if (others.every((value) => typeof value === "boolean")) return { type: { type: "Bool" }, nullable };
  return { why: others.every((value) => typeof value === "number") ? "fraction" : "union" };
}

function readArray(schema: Schema, scope: Scope): Seen {
  if ("prefixItems" in schema) return { why: "tuple" };
  const element = read(schema["items"], scope);
  if ("why" in element) return element;
  if (element.nullable) return { why: "null_element" };
  return { type: { type: "Set", element: element.type }, nullable: false };
}

function readObject(schema: Schema, scope: Scope): Seen {
  const { properties, additionalProperties, required } = schema;
  if ("patternProperties" in schema) return { why: "dynamic_keys" };
  if (!isPlainObject(properties)) return { why: additionalProperties === undefined ? "any" : "dynamic_keys" };
  const requiredNames = new Set(Array.isArray(required) ? required : []);
  const fields: Record<string, VisibleField> = {};
  const hidden: Record<string, HiddenReason> = {};
  for (const [name, property] of Object.entries(properties)) {
    if (name === "__proto__") continue;
    const seen: Seen = RESERVED_KEYS.has(name) ? { why: "reserved" } : read(property, scope);
    if ("why" in seen) hidden[name] = seen.why;
    else fields[name] = { value: seen.type, optional: seen.nullable || !requiredNames.has(name) };
  }
  return { type: { type: "Record", fields, hidden, open: additionalProperties !== false }, nullable: false };
}
