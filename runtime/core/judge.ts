import type { EffectKind } from "./effects.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { Actor } from "./people.ts";
import type { Verdict } from "./verdict.ts";

/** One call that an agent proposes, with everything that rules may look at. All of it is recorded. */
export interface ProposedCall {
  readonly agent: string;
  readonly run: { readonly id: string; readonly session: string; readonly startedBy: Actor; readonly depth: number };
  readonly kind: EffectKind;
  /** What is called: a tool's name, `agent.ask`, `memory.recall`, `memory.remember`, `model.chat`. */
  readonly action: string;
  /** What it is called on: the tool's own name, the asked agent, the memory's namespace, the model. */
  readonly resource: string;
  readonly input: JsonValue;
  readonly approval: { readonly satisfied: boolean };
}

/** Judges proposed calls by the loaded rule set. Never throws: a fault of any kind is a recorded deny. */
export interface Judge {
  /** SHA-256 of the rule set. */
  readonly ruleSet: string;
  judge(call: ProposedCall): Verdict;
}

/**
 * A callable thing as the rules see it: its name and the JSON Schema of its input. `resource` says what
 * it may be called on where that is fixed (the asked agent of an `agent.ask`); without it, on anything.
 * An agent that may ask three agents lists three actions named `agent.ask`.
 */
export interface RuledAction {
  readonly kind: EffectKind;
  readonly name: string;
  readonly resource?: string;
  readonly input: JsonObject;
}

/** An agent as the rules see it. `permit` reaches only the actions listed here. */
export interface RuledAgent {
  readonly name: string;
  readonly team: string | undefined;
  readonly actions: readonly RuledAction[];
  /** The agent's own rules; they judge this agent's calls and nobody else's. */
  readonly rules: RuleFile | undefined;
}

/** A file of Cedar policies. `path` is shown to people, `text` is what is compiled and hashed. */
export interface RuleFile {
  readonly path: string;
  readonly text: string;
}

/** Everything a rule set is made of. `shared` files judge every agent's calls. */
export interface RuleSetSource {
  readonly agents: readonly RuledAgent[];
  readonly shared: readonly RuleFile[];
  /** The pools that there are; undefined where the project does not say. */
  readonly pools?: readonly string[] | undefined;
}
