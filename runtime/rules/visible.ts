import { canonicalJson } from "../core/canonical.ts";

/**
 * What rules can see of a call's input: a type that Cedar can check, derived from a JSON Schema. What
 * cannot be typed is hidden from rules, with the reason why, instead of being guessed at.
 */
export type VisibleType =
  | { readonly type: "Long" | "String" | "Bool" }
  | { readonly type: "Set"; readonly element: VisibleType }
  | VisibleRecord;

export interface VisibleRecord {
  readonly type: "Record";
  readonly fields: Readonly<Record<string, VisibleField>>;
  /** Properties that exist, but that rules cannot see. */
  readonly hidden: Readonly<Record<string, HiddenReason>>;
  /** Whether it may have further properties, which are hidden too. */
  readonly open: boolean;
  /** Set when nothing of it can be seen because it is not a record with known properties. */
  readonly opaque?: HiddenReason;
}

export interface VisibleField {
  readonly value: VisibleType;
  readonly optional: boolean;
}

/** Why rules cannot see a value, each with its explanation for people. */
export const HIDDEN_REASONS = {
  fraction: "it may be a fraction, and rules know only whole numbers: use integer minor units (cents)",
  union: "it may have one of several shapes",
  any: "it may be anything",
  dynamic_keys: "its property names are not known beforehand",
  tuple: "its places have different meanings: use an object with names",
  recursive: "it contains itself",
  null: "it is never anything but null",
  null_element: "its elements may be null",
  differs: "its type depends on what is called",
  unsupported: "its schema uses a keyword that rules do not know",
  reserved: "its name is reserved",
} as const;
export type HiddenReason = keyof typeof HIDDEN_REASONS;

/** A record of which rules see nothing. */
export function opaqueRecord(why: HiddenReason): VisibleRecord {
  return { type: "Record", fields: {}, hidden: {}, open: true, opaque: why };
}

export function isSameType(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

/**
 * What can be seen of either of two records: what both have and type alike; optional where only one has
 * it. Needed where one action takes different inputs, as `agent.ask` does for each asked agent.
 */
export function mergeRecords(a: VisibleRecord, b: VisibleRecord): VisibleRecord {
  if (isSameType(a, b)) return a;
  if (a.opaque !== undefined || b.opaque !== undefined) return opaqueRecord("differs");
  const fields: Record<string, VisibleField> = {};
  const hidden: Record<string, HiddenReason> = { ...a.hidden, ...b.hidden };
  for (const name of new Set([...Object.keys(a.fields), ...Object.keys(b.fields)])) {
    if (Object.hasOwn(hidden, name)) continue;
    const [left, right] = [own(a.fields, name), own(b.fields, name)];
    // An open record may hold anything under a name that it does not list.
    if ((!left && a.open) || (!right && b.open)) hidden[name] = "differs";
    else if (!left || !right) {
      const only = left ?? right;
      if (only) fields[name] = { value: only.value, optional: true };
    } else {
      const value = mergeTypes(left.value, right.value);
      if (value) fields[name] = { value, optional: left.optional || right.optional };
      else hidden[name] = "differs";
    }
  }
  return { type: "Record", fields, hidden, open: a.open || b.open };
}

function mergeTypes(a: VisibleType, b: VisibleType): VisibleType | undefined {
  if (a.type === "Record" && b.type === "Record") return mergeRecords(a, b);
  return isSameType(a, b) ? a : undefined;
}

/** An own property, so that a property named `constructor` is what the schema says and nothing else. */
export function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
