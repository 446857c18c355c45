import { z } from "zod";
import type { JsonObject, JsonValue } from "../../../runtime/core/json.ts";
import type { ProposedCall, RuledAction, RuledAgent, RuleSetSource } from "../../../runtime/core/judge.ts";
import { checkRules, type CompiledRuleSet, compileRuleSet, formatRuleProblem } from "../../../runtime/rules/index.ts";

/** What the engine hands to the rules for a tool: the JSON Schema of its checked input. */
export function inputSchema(schema: z.ZodType): JsonObject {
  return z.toJSONSchema(schema, { io: "output", unrepresentable: "any" }) as JsonObject;
}

export function tool(name: string, input: z.ZodType): RuledAction {
  return { kind: "tool", name, input: inputSchema(input) };
}

export const REFUND = tool(
  "payments.refund",
  z.object({
    orderId: z.string(),
    amountCents: z.int(),
    note: z.string().optional(),
    iban: z.string().nullable(),
    tags: z.array(z.string()),
    rate: z.number().optional(),
    extra: z.json().optional(),
  }),
);
export const LOOKUP = tool("orders.lookup", z.object({ orderId: z.string() }));

export function refunds(text: string | undefined, actions: readonly RuledAction[] = [REFUND, LOOKUP]): RuledAgent {
  const rules = text === undefined ? undefined : { path: "agents/refunds/rules.cedar", text };
  return { name: "refunds", team: "support", actions, rules };
}

export function sourceOf(text: string | undefined, actions?: readonly RuledAction[]): RuleSetSource {
  return { agents: [refunds(text, actions)], shared: [] };
}

export function compile(text: string | undefined, actions?: readonly RuledAction[]): CompiledRuleSet {
  return compileRuleSet(sourceOf(text, actions));
}

/** The problems of a file as people read them, without its name: `3:9 …`. */
export function problems(text: string, actions?: readonly RuledAction[]): string[] {
  return checkRules(sourceOf(text, actions)).map((problem) =>
    formatRuleProblem(problem).slice("agents/refunds/rules.cedar:".length),
  );
}

export const REFUND_INPUT = { orderId: "o-1", amountCents: 100, iban: null, tags: [] };

export function refundCall(input: Record<string, JsonValue> = {}, over: Partial<ProposedCall> = {}): ProposedCall {
  return {
    agent: "refunds",
    run: { id: "run-1", session: "session-1", startedBy: { kind: "person", id: "amy" }, depth: 0 },
    kind: "tool",
    action: "payments.refund",
    resource: "payments.refund",
    input: { ...REFUND_INPUT, ...input },
    approval: { satisfied: false },
    ...over,
  };
}

export const PERMIT = `@id("permit") permit (principal, action, resource);\n`;
