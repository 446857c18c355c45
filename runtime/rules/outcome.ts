import type { ApprovalNeed, DeterminingRule, Verdict } from "../core/verdict.ts";
import type { RuleMeta } from "./annotations.ts";

/** What was decided, without the rule set that decided it. */
export type Outcome = Omit<Verdict, "ruleSet">;

/** A rule with its place in the rule set, which is the order in which rules are listed. */
export interface RankedRule extends RuleMeta {
  readonly rank: number;
}

/** Words that stand in `fault`: something was wrong with the call, the rules or the engine. */
export type Fault =
  | "not_declared"
  | "rule_error"
  | "reserved_key"
  | "invalid_input"
  | "input_too_large"
  | "engine_error"
  | "several_pools"
  | "approval_cannot_satisfy";

const SEVERITY: Readonly<Record<DeterminingRule["effect"], number>> = {
  deny: 3,
  rate_limit: 2,
  require_approval: 1,
  permit: 0,
};

export function faulty(fault: Fault, reason: string, rules: readonly RankedRule[] = []): Outcome {
  return { decision: "deny", rules: listed(rules), reason, fault };
}

export function allowed(permits: readonly RankedRule[]): Outcome {
  const rules = listed(permits);
  const reasons = rules.map(({ id, reason }) => reason ?? `The rule "${id}" permits it.`);
  return { decision: "allow", rules, reason: unique(reasons).join(" ") };
}

/**
 * What the forbids that apply add up to: the most severe effect wins, and its rules' reasons are the
 * reason. Rules that ask for approval must all be satisfied: the largest number of people and the
 * shortest time limit count. If they ask different pools it is a deny, because one approval has one
 * pool, and to choose one would leave out people whom a rule names.
 */
export function forbidden(forbids: readonly RankedRule[]): Outcome {
  const rules = listed(forbids);
  const worst = Math.max(...forbids.map(({ effect }) => SEVERITY[effect]));
  const decisive = ordered(forbids).filter(({ effect }) => SEVERITY[effect] === worst);
  const reason = unique(decisive.map((rule) => rule.reason ?? `The rule "${rule.id}" forbids it.`)).join(" ");
  switch (decisive[0]?.effect) {
    case "rate_limit":
      return { decision: "rate_limit", rules, reason };
    case "require_approval": {
      const needs = decisive.flatMap(({ approval }) => approval ?? []);
      const pools = unique(needs.map(({ pool }) => pool));
      if (pools.length > 1) {
        const ids = decisive.map(({ id }) => `"${id}"`).join(" and ");
        return faulty(
          "several_pools",
          `The rules ${ids} ask different people (${pools.join(", ")}) to approve one call, which cannot be done. Write a rule for the case in which both apply.`,
          forbids,
        );
      }
      const approval = strictest(needs);
      if (!approval) return faulty("rule_error", "A rule asks for an approval and does not say whose.", forbids);
      return { decision: "require_approval", rules, reason, approval };
    }
    default:
      return { decision: "deny", rules, reason };
  }
}

function strictest(needs: readonly ApprovalNeed[]): ApprovalNeed | undefined {
  const [first, ...others] = needs;
  if (!first) return undefined;
  return others.reduce(
    (need, { approvers, ttlMs }) => ({
      pool: need.pool,
      approvers: Math.max(need.approvers, approvers),
      ttlMs: Math.min(need.ttlMs, ttlMs),
    }),
    first,
  );
}

function listed(rules: readonly RankedRule[]): DeterminingRule[] {
  return ordered(rules).map(({ id, effect, reason }) => ({ id, effect, ...(reason === undefined ? {} : { reason }) }));
}

/** Most severe first, then as written. Cedar names rules in no order at all. */
function ordered(rules: readonly RankedRule[]): RankedRule[] {
  return [...rules].sort((a, b) => SEVERITY[b.effect] - SEVERITY[a.effect] || a.rank - b.rank);
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
