import type { z } from "zod";
import { claimSchema, type Claim, type Policy, type RejectionCode } from "./claim.ts";

export interface Rejection {
  readonly code: RejectionCode;
  /** A sentence for whoever sent the record. */
  readonly reason: string;
}

export type Validated =
  { readonly ok: true; readonly claim: Claim } | { readonly ok: false; readonly rejection: Rejection };

/**
 * Turns whatever the feed delivered into a claim, or says what is wrong with it. All faults are named in
 * the reason; the code is that of the first one.
 *
 * @param unreadable Why the line could not be carried as JSON, if so; `record` is then its raw text.
 */
export function validateRecord(record: unknown, unreadable?: string): Validated {
  if (unreadable !== undefined) return reject("unreadable", `The line cannot be read: ${unreadable}.`);
  if (typeof record !== "object" || record === null || Array.isArray(record)) {
    return reject("not_an_object", `A claim is an object with fields; this is ${describe(record)}.`);
  }
  const parsed = claimSchema.safeParse(record);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => faultOf(issue, record));
    const reasons = faults.map((fault) => fault.reason);
    const more = reasons.length > 5 ? ` And ${String(reasons.length - 5)} more.` : "";
    return reject(faults[0]?.code ?? "wrong_type", reasons.slice(0, 5).join(" ") + more);
  }
  const claim = parsed.data;
  if (claim.lossDate > claim.reportedOn) {
    return reject("loss_after_report", `The loss is dated ${claim.lossDate}, after the report of ${claim.reportedOn}.`);
  }
  return { ok: true, claim };
}

/** What keeps a well-formed claim from being examined on this policy (null: there is no such policy). */
export function matchPolicy(claim: Claim, policy: Policy | null): Rejection | undefined {
  if (!policy) return { code: "unknown_policy", reason: `There is no policy ${claim.policyId}.` };
  if (policy.line !== claim.line) {
    return {
      code: "wrong_line",
      reason: `This is a ${claim.line} claim, and ${policy.policyId} is a ${policy.line} policy.`,
    };
  }
  if (policy.currency !== claim.currency) {
    return {
      code: "currency_mismatch",
      reason: `The claim is in ${claim.currency}, and ${policy.policyId} pays in ${policy.currency}. Send it again in ${policy.currency}.`,
    };
  }
  return undefined;
}

/** The claim's id if the record has a usable one, else "". */
export function claimIdOf(record: unknown): string {
  const id: unknown = typeof record === "object" && record !== null && "claimId" in record ? record.claimId : undefined;
  return typeof id === "string" ? id.slice(0, 40) : "";
}

function reject(code: RejectionCode, reason: string): Validated {
  return { ok: false, rejection: { code, reason } };
}

function faultOf(issue: z.core.$ZodIssue, record: object): Rejection {
  const path = issue.path.map(String);
  const field = path.join(".");
  const value = valueAt(record, path);
  if (value === undefined || value === "") return { code: "missing_field", reason: `${field} is missing.` };
  const named = `${field} is ${describe(value)}`;
  if (field === "currency" && typeof value === "string") {
    return { code: "unknown_currency", reason: `${named}; EUR, GBP and CHF are known.` };
  }
  if (field === "claimedMinor" && typeof value === "number") {
    return Number.isInteger(value)
      ? { code: "amount_not_positive", reason: `${named}; it must be more than 0.` }
      : { code: "amount_not_whole", reason: `${named}; it must be in whole minor units, so 12950 for 129.50.` };
  }
  if (issue.code === "invalid_format" && issue.format === "date") {
    return { code: "bad_date", reason: `${named}, which is not a day of the calendar.` };
  }
  if (issue.code === "custom") return { code: "bad_iban", reason: `${named}, which ${issue.message}.` };
  return { code: "wrong_type", reason: `${named}: ${issue.message}.` };
}

function valueAt(record: object, path: readonly string[]): unknown {
  let value: unknown = record;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

/** A value of JSON in few words, fit for a sentence: never more than a short piece of it. */
function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "number":
    case "boolean":
      return String(value);
    case "string":
      return `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40).toWellFormed()}…` : value)}`;
    default:
      return "an object";
  }
}
