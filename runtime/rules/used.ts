import type { Clause } from "@cedar-policy/cedar-wasm/nodejs";
import { isPlainObject, type JsonValue } from "../core/json.ts";
import { own, type VisibleField, type VisibleRecord, type VisibleType } from "./visible.ts";

/** Attributes of `context` that rules look at, as a tree. `true` stands for a whole subtree. */
export type Used = true | ReadonlyMap<string, Used>;
type Tree = Map<string, Tree | true>;

/**
 * What these rules look at in `context`. Cedar's time grows with what it is handed, and rules look at
 * little of it. Only `context.a.b` and `context.a has b` are understood; any other mention of `context`
 * counts as a look at all that it could reach, so that an expression that is new here costs time and
 * nothing else.
 */
export function usedContext(rules: Iterable<readonly Clause[]>): Used {
  const root: Tree = new Map();
  for (const conditions of rules) {
    for (const { body } of conditions) if (!collect(body, root)) return true;
  }
  return root;
}

/** False once everything is used. */
function collect(expr: unknown, root: Tree): boolean {
  if (Array.isArray(expr)) return expr.every((part) => collect(part, root));
  if (!isPlainObject(expr)) return true;
  const path = pathOf(expr);
  if (path) return path.length > 0 && mark(root, path);
  return Object.values(expr).every((part) => collect(part, root));
}

function mark(root: Tree, path: readonly string[]): true {
  let tree = root;
  for (const [i, name] of path.entries()) {
    const known = tree.get(name);
    if (known === true) return true;
    if (i === path.length - 1) tree.set(name, true);
    else {
      const below = known ?? new Map<string, Tree | true>();
      tree.set(name, below);
      tree = below;
    }
  }
  return true;
}

/** The attributes from `context` to what this expression reads or tests for; undefined if it is neither. */
function pathOf(expr: unknown): string[] | undefined {
  if (!isPlainObject(expr)) return undefined;
  if (expr["Var"] === "context") return [];
  const access = expr["."] ?? expr["has"];
  if (!isPlainObject(access)) return undefined;
  const before = pathOf(access["left"]);
  const { attr } = access;
  if (typeof attr === "string") return before && [...before, attr];
  return Array.isArray(attr) && attr.every((name) => typeof name === "string")
    ? before && [...before, ...attr]
    : before;
}

/** The part of a record's type that is used. */
export function usedType(record: VisibleRecord, used: Used): VisibleRecord {
  if (used === true) return record;
  const fields: Record<string, VisibleField> = {};
  for (const [name, field] of Object.entries(record.fields)) {
    const below = used.get(name);
    if (below === undefined) continue;
    const { value } = field;
    fields[name] = value.type === "Record" ? { ...field, value: usedType(value, below) } : field;
  }
  return { ...record, fields };
}

/** More than this, a rule set looks at too much: Cedar would block the worker for about 0.1 s. */
const MAX_USED_UNITS = 500_000;
const MAX_USED_VALUES = 5_000;

/**
 * The part of a value that is used, or undefined if that is too large to be judged. The value has been
 * found to fit the type. Null is what Cedar has not: an attribute that is null is one that is missing.
 */
export function usedPart(type: VisibleRecord, value: JsonValue): JsonValue | undefined {
  const size = { units: 0, values: 0 };
  const part = take(type, value, size);
  return size.units > MAX_USED_UNITS || size.values > MAX_USED_VALUES ? undefined : part;
}

function take(type: VisibleType, value: JsonValue, size: { units: number; values: number }): JsonValue {
  size.values++;
  if (typeof value === "string") size.units += value.length;
  if (size.units > MAX_USED_UNITS || size.values > MAX_USED_VALUES) return null;
  if (type.type === "Set") return (value as readonly JsonValue[]).map((element) => take(type.element, element, size));
  if (type.type !== "Record") return value;
  const record = value as Readonly<Record<string, JsonValue>>;
  const part: Record<string, JsonValue> = {};
  for (const [name, field] of Object.entries(type.fields)) {
    const found = own(record, name) ?? null;
    if (found !== null) part[name] = take(field.value, found, size);
  }
  return part;
}
