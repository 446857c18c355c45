import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import type { ProposedCall, RuledAgent } from "../../../runtime/core/judge.ts";
import type { Verdict } from "../../../runtime/core/verdict.ts";
import { compileRuleSet } from "../../../runtime/rules/index.ts";
import { tool } from "./support.ts";

/**
 * Random rule sets against an evaluator that is plain enough to be right by reading it: no Cedar, no
 * sets per action, no parsing, only what docs/guide/rules.md says.
 */
interface Input {
  readonly amountCents: number;
  readonly note?: string;
  readonly tags: readonly string[];
  readonly place: { readonly country: string };
}

type Condition =
  | { readonly op: "always" }
  | { readonly op: "above"; readonly cents: number }
  | { readonly op: "note"; readonly note: string }
  | { readonly op: "tag"; readonly tag: string }
  | { readonly op: "country"; readonly country: string }
  | { readonly op: "deep"; readonly depth: number }
  | { readonly op: "not"; readonly of: Condition }
  | { readonly op: "and" | "or"; readonly left: Condition; readonly right: Condition };

interface Rule {
  readonly effect: "permit" | "deny" | "rate_limit" | "require_approval";
  readonly who: string;
  readonly actions: readonly string[];
  readonly when: Condition;
  readonly pool: string;
  readonly approvers: number;
  readonly hours: number;
}

const TEAMS: Readonly<Record<string, string | undefined>> = {
  amber: "desk",
  blue: "desk",
  cyan: "vault",
  dun: undefined,
};
const ACTIONS = ["money.send", "money.ask", "letters.post"];
const input = z.object({
  amountCents: z.int(),
  note: z.string().optional(),
  tags: z.array(z.string()),
  place: z.object({ country: z.string() }),
});
const AGENTS = Object.entries(TEAMS).map(([name, team]): RuledAgent => ({
  name,
  team,
  actions: ACTIONS.map((action) => tool(action, input)),
  rules: undefined,
}));

const words = fc.constantFrom("a", "b", 'quo"te', "ünï");
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constant<Condition>({ op: "always" }),
    fc.record({ op: fc.constant("above" as const), cents: fc.integer({ min: -5, max: 5 }) }),
    fc.record({ op: fc.constant("note" as const), note: words }),
    fc.record({ op: fc.constant("tag" as const), tag: words }),
    fc.record({ op: fc.constant("country" as const), country: words }),
    fc.record({ op: fc.constant("deep" as const), depth: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ op: fc.constant("not" as const), of: tie("condition") }),
    fc.record({ op: fc.constantFrom("and" as const, "or" as const), left: tie("condition"), right: tie("condition") }),
  ),
}));
const rule: fc.Arbitrary<Rule> = fc.record({
  effect: fc.oneof(
    { weight: 6, arbitrary: fc.constant("permit" as const) },
    { weight: 3, arbitrary: fc.constant("require_approval" as const) },
    { weight: 1, arbitrary: fc.constantFrom("deny" as const, "rate_limit" as const) },
  ),
  who: fc.constantFrom("", "", '== Agent::"amber"', '== Agent::"dun"', 'in Team::"desk"', 'in Team::"vault"'),
  actions: fc.constantFrom([], [], ["money.send"], ["money.ask", "letters.post"]),
  when: condition,
  pool: fc.constantFrom("finance", "finance", "fraud"),
  approvers: fc.integer({ min: 1, max: 4 }),
  hours: fc.integer({ min: 1, max: 48 }),
});
const call: fc.Arbitrary<ProposedCall> = fc
  .record({
    agent: fc.constantFrom(...Object.keys(TEAMS)),
    action: fc.constantFrom(...ACTIONS),
    amountCents: fc.integer({ min: -6, max: 6 }),
    note: fc.option(words, { nil: undefined }),
    tags: fc.array(words, { maxLength: 3 }),
    country: words,
    depth: fc.integer({ min: 0, max: 4 }),
    satisfied: fc.constantFrom(false, false, true),
  })
  .map(({ agent, action, amountCents, note, tags, country, depth, satisfied }) => ({
    agent,
    run: { id: "r", session: "s", startedBy: { kind: "person", id: "amy" }, depth },
    kind: "tool",
    action,
    resource: action,
    input: { amountCents, ...(note === undefined ? {} : { note }), tags, place: { country } },
    approval: { satisfied },
  }));

function cedarCondition(of: Condition): string {
  switch (of.op) {
    case "always":
      return "context.input.amountCents == context.input.amountCents";
    case "above":
      return `context.input.amountCents > ${String(of.cents)}`;
    case "note":
      return `(context.input has note && context.input.note == ${JSON.stringify(of.note)})`;
    case "tag":
      return `context.input.tags.contains(${JSON.stringify(of.tag)})`;
    case "country":
      return `context.input.place.country == ${JSON.stringify(of.country)}`;
    case "deep":
      return `context.run.depth > ${String(of.depth)}`;
    case "not":
      return `!(${cedarCondition(of.of)})`;
    default:
      return `((${cedarCondition(of.left)}) ${of.op === "and" ? "&&" : "||"} (${cedarCondition(of.right)}))`;
  }
}

function cedarRule({ effect, who, actions, when, pool, approvers, hours }: Rule, index: number): string {
  const permit = effect === "permit";
  const asks = effect === "require_approval";
  const action = actions.length === 0 ? "" : ` in [${actions.map((name) => `Action::"${name}"`).join(", ")}]`;
  return [
    `@id("r${String(index)}")`,
    permit ? "" : `@effect("${effect}") @reason("Because of r${String(index)}.")`,
    asks ? `@pool("${pool}") @approvers("${String(approvers)}") @ttl("PT${String(hours)}H")` : "",
    `${permit ? "permit" : "forbid"} (principal ${who}, action${action}, resource)`,
    `when { ${cedarCondition(when)} }`,
    asks ? "unless { context.approval.satisfied };" : ";",
  ].join(" ");
}

function holds(of: Condition, { input: value, run }: ProposedCall): boolean {
  const it = value as unknown as Input;
  switch (of.op) {
    case "always":
      return true;
    case "above":
      return it.amountCents > of.cents;
    case "note":
      return it.note === of.note;
    case "tag":
      return it.tags.includes(of.tag);
    case "country":
      return it.place.country === of.country;
    case "deep":
      return run.depth > of.depth;
    case "not":
      return !holds(of.of, { input: value, run } as ProposedCall);
    case "and":
      return (
        holds(of.left, { input: value, run } as ProposedCall) && holds(of.right, { input: value, run } as ProposedCall)
      );
    case "or":
      return (
        holds(of.left, { input: value, run } as ProposedCall) || holds(of.right, { input: value, run } as ProposedCall)
      );
  }
}

type Expected = Pick<Verdict, "decision" | "approval" | "fault"> & { readonly ids: readonly string[] };

function expected(rules: readonly Rule[], it: ProposedCall): Expected {
  const matching = rules
    .map((one, index) => ({ ...one, id: `r${String(index)}` }))
    .filter(({ who, actions, when }) => {
      const forAgent =
        who === "" || who === `== Agent::"${it.agent}"` || who === `in Team::"${TEAMS[it.agent] ?? "none"}"`;
      return forAgent && (actions.length === 0 || actions.includes(it.action)) && holds(when, it);
    });
  const of = (...effects: Rule["effect"][]): typeof matching =>
    matching.filter(({ effect }) => effects.includes(effect));
  const ids = (some: typeof matching): string[] => some.map(({ id }) => id).sort();
  const permits = of("permit");
  const asking = it.approval.satisfied ? [] : of("require_approval");
  const forbids = [...of("deny", "rate_limit"), ...asking];

  if (of("deny").length > 0) return { decision: "deny", ids: ids(forbids) };
  if (of("rate_limit").length > 0) return { decision: "rate_limit", ids: ids(forbids) };
  if (new Set(asking.map(({ pool }) => pool)).size > 1) {
    return { decision: "deny", fault: "several_pools", ids: ids(forbids) };
  }
  if (permits.length === 0) return { decision: "deny", ids: [] };
  const [first] = asking;
  if (!first) return { decision: "allow", ids: ids(permits) };
  const approval = {
    pool: first.pool,
    approvers: Math.max(...asking.map(({ approvers }) => approvers)),
    ttlMs: Math.min(...asking.map(({ hours }) => hours)) * 3_600_000,
  };
  return { decision: "require_approval", approval, ids: ids(forbids) };
}

test("random rule sets judge random calls as the plain evaluator does", () => {
  const decisions = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.array(rule, { minLength: 4, maxLength: 14, size: "max" }),
      fc.array(call, { minLength: 30, maxLength: 40 }),
      (rules, calls) => {
        const shared = [{ path: "shared.cedar", text: rules.map(cedarRule).join("\n") }];
        const judge = compileRuleSet({ agents: AGENTS, shared });
        for (const one of calls) {
          const { decision, approval, fault, rules: determining } = judge.judge(one);
          expect({ decision, approval, fault, ids: determining.map(({ id }) => id).sort() }).toEqual({
            approval: undefined,
            fault: undefined,
            ...expected(rules, one),
          });
          const kind = fault ?? decision;
          decisions.set(kind, (decisions.get(kind) ?? 0) + 1);
        }
      },
    ),
    { numRuns: 50 },
  );
  // A generator that never reaches a kind of verdict would prove nothing about it.
  for (const kind of ["allow", "deny", "rate_limit", "require_approval", "several_pools"])
    expect(decisions.get(kind)).toBeGreaterThan(0);
}, 60_000);
