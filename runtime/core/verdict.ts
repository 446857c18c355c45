import { z } from "zod";

/** What the rules say of one proposed call. Severity: deny > rate_limit > require_approval > allow. */
export const DECISIONS = ["allow", "require_approval", "rate_limit", "deny"] as const;
export type VerdictDecision = (typeof DECISIONS)[number];

/** One rule that determined a verdict, in its own words. */
export const determiningRuleSchema = z.object({
  id: z.string(),
  effect: z.enum(["permit", "deny", "rate_limit", "require_approval"]),
  reason: z.string().optional(),
});

/** What an approval needs before the call may go on: how many people, from which pool, within which time. */
export const approvalNeedSchema = z.object({
  pool: z.string(),
  approvers: z.int().positive(),
  ttlMs: z.int().positive(),
});

/**
 * A recorded verdict. `reason` is the sentence that people read; `ruleSet` is the SHA-256 of the rule
 * set that gave it; `fault` is set when something went wrong while judging, which is always a deny.
 */
export const verdictSchema = z.object({
  decision: z.enum(DECISIONS),
  rules: z.array(determiningRuleSchema),
  reason: z.string(),
  ruleSet: z.string(),
  approval: approvalNeedSchema.optional(),
  fault: z.string().optional(),
});

export type DeterminingRule = z.infer<typeof determiningRuleSchema>;
export type ApprovalNeed = z.infer<typeof approvalNeedSchema>;
export type Verdict = z.infer<typeof verdictSchema>;
