import type { ActionConstraint, Clause, EntityUidJson } from "@cedar-policy/cedar-wasm/nodejs";
import type { LoadedRule } from "./load.ts";
import type { RankedRule } from "./outcome.ts";

/** A rule, ready to be put into the sets of the actions that it can apply to. */
export interface PlacedRule {
  readonly meta: RankedRule;
  readonly text: string;
  readonly conditions: readonly Clause[];
  /** The agents that its file judges; null for all. */
  readonly agents: readonly string[] | null;
  /** The actions that its head names; null for all. */
  readonly actions: readonly string[] | null;
}

/** The rules of a checked rule set, in the order of its files. */
export function placeRules(rules: readonly LoadedRule[]): PlacedRule[] {
  return rules.flatMap(({ meta, source, cedar, file }, rank) =>
    meta
      ? {
          meta: { ...meta, rank },
          text: source.text,
          conditions: cedar.conditions,
          agents: file.agents,
          actions: actionsOf(cedar.action),
        }
      : [],
  );
}

/** The rules that can apply to one action of one agent. Conditions are not looked at: Cedar does that. */
export function rulesFor(rules: readonly PlacedRule[], agent: string, action: string): PlacedRule[] {
  return rules.filter((rule) => (rule.agents?.includes(agent) ?? true) && (rule.actions?.includes(action) ?? true));
}

function actionsOf(constraint: ActionConstraint): readonly string[] | null {
  if (constraint.op === "All") return null;
  if ("entities" in constraint) return constraint.entities.map(idOf);
  return "entity" in constraint ? [idOf(constraint.entity)] : null;
}

function idOf(uid: EntityUidJson): string {
  return "__entity" in uid ? uid.__entity.id : uid.id;
}
