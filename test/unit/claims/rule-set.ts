import { defineConfig } from "signalbox";
import { claimsAgents } from "../../../agents/claims/index.ts";
import { ruleSetSource } from "../../../runtime/config.ts";
import type { ProposedCall } from "../../../runtime/core/judge.ts";
import { compileRuleSet, type CompiledRuleSet } from "../../../runtime/rules/index.ts";

/** The team's rules, compiled for its agents. `text` replaces the text of its rule file. */
export async function claimsRuleSet(text?: string): Promise<CompiledRuleSet> {
  const { agents, shared } = await ruleSetSource(defineConfig({ agents: claimsAgents }));
  const replaced = agents.map((agent) =>
    agent.rules && text !== undefined ? { ...agent, rules: { path: agent.rules.path, text } } : agent,
  );
  return compileRuleSet({ agents: replaced, shared });
}

/** A call by an agent of the team, as the engine would propose it. */
export function proposed(call: Pick<ProposedCall, "agent" | "kind" | "action" | "resource" | "input">): ProposedCall {
  return {
    ...call,
    run: { id: "r", session: "s", startedBy: { kind: "service", id: "claims-feed" }, depth: 0 },
    approval: { satisfied: false },
  };
}
