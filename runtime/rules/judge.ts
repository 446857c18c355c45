import { type Context, type EntityJson, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import type { JsonObject } from "../core/json.ts";
import type { Judge, ProposedCall } from "../core/judge.ts";
import type { Verdict } from "../core/verdict.ts";
import { cedarSchema, contextRecord, resourceType } from "./cedar-schema.ts";
import { type PlacedRule, rulesFor } from "./matching.ts";
import type { ModelAction, ModelAgent } from "./model.ts";
import { allowed, faulty, forbidden, type Outcome, type RankedRule } from "./outcome.ts";
import { findInputFault, findMisfit } from "./faults.ts";
import { preparedPolicies, preparedSchema } from "./slots.ts";
import { usedContext, usedPart, usedType } from "./used.ts";
import type { VisibleRecord } from "./visible.ts";

/** One action of one agent, with the rules that can apply to it. */
interface Judged {
  readonly action: ModelAction;
  readonly type: string;
  readonly rules: ReadonlyMap<string, RankedRule>;
  /** What is said of calls that were allowed, by the rules that permitted them: a few sentences for all of them. */
  readonly allowed: Map<string, Outcome>;
  /** Made at the first call: a worker never meets most of a rule set's actions. */
  prepare(): Prepared;
}

interface Prepared {
  /** Names of what Cedar keeps parsed. */
  readonly policies: string;
  readonly schema: string;
  /** The part of the context that the rules look at, and of which the schema tells. */
  readonly used: VisibleRecord;
}

/** Sets of rules that permit a call; more are put into words each time. */
const MOST_KEPT = 100;

/** Judges by rules that have been checked. See {@link Judge}. */
export class CedarJudge implements Judge {
  readonly ruleSet: string;
  readonly #agents: ReadonlyMap<string, ReadonlyMap<string, Judged>>;
  readonly #members: ReadonlyMap<string, EntityJson>;

  constructor(ruleSet: string, agents: readonly ModelAgent[], rules: readonly PlacedRule[]) {
    this.ruleSet = ruleSet;
    this.#members = new Map(agents.flatMap((agent) => (agent.team === null ? [] : [member(agent.name, agent.team)])));
    this.#agents = new Map(
      agents.map((agent) => {
        const actions = agent.actions.flatMap((action) => {
          const type = resourceType(action.kind);
          return type === undefined ? [] : [[action.name, judgedAction(agent, action, type, rules)] as const];
        });
        return [agent.name, new Map(actions)] as const;
      }),
    );
  }

  judge(call: ProposedCall): Verdict {
    let outcome: Outcome;
    try {
      outcome = this.#judge(call);
    } catch {
      // Whatever was thrown may quote the call, and a verdict is recorded in the clear.
      outcome = faulty("engine_error", "The rules could not be applied to this call, so it is refused.");
    }
    return { ...outcome, ruleSet: this.ruleSet };
  }

  #judge(call: ProposedCall): Outcome {
    const judged = this.#agents.get(call.agent)?.get(call.action);
    if (!judged || !isDeclared(judged.action, call)) {
      return faulty(
        "not_declared",
        `${call.agent} does not declare that it may ${inWords(call)}, so no rule can permit it. Add it to the agent's definition.`,
      );
    }
    const { session, depth, startedBy } = call.run;
    const context = {
      input: call.input,
      run: { session, depth, startedBy: { kind: startedBy.kind, id: startedBy.id } },
      approval: { satisfied: call.approval.satisfied },
    };
    const fault = findInputFault(call.input) ?? findMisfit(contextRecord(judged.action.input), context);
    if (fault) return faulty(fault.fault, fault.message);

    const outcome = this.#evaluate(judged, call, context);
    if (outcome.decision !== "require_approval") return outcome;
    // People are asked only for what can then go on: not where nothing permits the call in any case.
    const approved = call.approval.satisfied
      ? outcome
      : this.#evaluate(judged, call, { ...context, approval: { satisfied: true } });
    if (approved.decision === "allow") return outcome;
    if (approved.decision !== "require_approval") return approved;
    const ids = approved.rules.map(({ id }) => `"${id}"`).join(", ");
    return {
      decision: "deny",
      rules: approved.rules,
      reason: `The rule ${ids} would hold the call even after it was approved, so it can never be satisfied.`,
      fault: "approval_cannot_satisfy",
    };
  }

  #evaluate(judged: Judged, call: ProposedCall, context: JsonObject): Outcome {
    const { policies, schema, used } = judged.prepare();
    const seen = usedPart(used, context);
    if (seen === undefined) {
      return faulty(
        "input_too_large",
        "What the rules look at in this call is too large to be judged. Pass a reference to large content instead.",
      );
    }
    const answer = statefulIsAuthorized({
      principal: { type: "Agent", id: call.agent },
      action: { type: "Action", id: call.action },
      resource: { type: judged.type, id: call.resource },
      // Cedar's type is the same JSON without `readonly`.
      context: seen as Context,
      entities: this.#entitiesOf(call, judged.type),
      preparsedPolicySetId: policies,
      preparsedSchemaName: schema,
      validateRequest: true,
    });
    if (answer.type === "failure") {
      return faulty("engine_error", "The rules engine refused to look at this call, so it is refused.");
    }
    const { decision, diagnostics } = answer.response;
    if (diagnostics.errors.length > 0) {
      // Cedar skips a rule that fails, also one that would have forbidden the call.
      const failed = known(
        judged,
        diagnostics.errors.map(({ policyId }) => policyId),
      );
      const ids = failed.map(({ id }) => `"${id}"`).join(", ");
      const why = diagnostics.errors[0]?.error.message.split("`")[0]?.trim() ?? "";
      return faulty("rule_error", `The rule ${ids} failed (${why} …), so the call is refused.`, failed);
    }
    const ids = JSON.stringify(diagnostics.reason);
    const said = decision === "allow" ? judged.allowed.get(ids) : undefined;
    if (said) return said;
    const rules = known(judged, diagnostics.reason);
    if (rules.length !== diagnostics.reason.length) {
      return faulty("engine_error", "The rules engine named a rule that this rule set does not have.", rules);
    }
    if (decision === "allow") {
      const outcome = allowed(rules);
      if (judged.allowed.size < MOST_KEPT) judged.allowed.set(ids, outcome);
      return outcome;
    }
    if (rules.length > 0) return forbidden(rules);
    return { decision: "deny", rules: [], reason: `No rule permits ${call.agent} to ${inWords(call)}.` };
  }

  /** Who belongs to a team. Cedar needs no entity for what has neither parents nor attributes. */
  #entitiesOf(call: ProposedCall, type: string): EntityJson[] {
    const principal = this.#members.get(call.agent);
    const resource = type === "Agent" && call.resource !== call.agent ? this.#members.get(call.resource) : undefined;
    return [principal, resource].flatMap((entity) => entity ?? []);
  }
}

function member(name: string, team: string): [string, EntityJson] {
  return [name, { uid: { type: "Agent", id: name }, attrs: {}, parents: [{ type: "Team", id: team }] }];
}

function judgedAction(agent: ModelAgent, action: ModelAction, type: string, all: readonly PlacedRule[]): Judged {
  const rules = rulesFor(all, agent.name, action.name);
  let prepared: Prepared | undefined;
  return {
    action,
    type,
    rules: new Map(rules.map(({ meta }) => [meta.id, meta])),
    allowed: new Map(),
    prepare: () => (prepared ??= prepare(action, rules)),
  };
}

function prepare(action: ModelAction, rules: readonly PlacedRule[]): Prepared {
  const { kind, name, input } = action;
  const used = usedType(contextRecord(input), usedContext(rules.map(({ conditions }) => conditions)));
  return {
    policies: preparedPolicies(rules.map(({ meta, text }) => ({ id: meta.id, text }))),
    schema: preparedSchema(cedarSchema([{ kind, name, context: used }])),
    used,
  };
}

function known(judged: Judged, ids: readonly string[]): RankedRule[] {
  return ids.flatMap((id) => judged.rules.get(id) ?? []);
}

function isDeclared({ kind, name, resources }: ModelAction, call: ProposedCall): boolean {
  if (kind !== call.kind) return false;
  if (kind === "tool") return call.resource === name;
  return resources === null || resources.includes(call.resource);
}

/** What an agent wants to do, to follow "No rule permits it to". */
function inWords({ kind, action, resource }: ProposedCall): string {
  switch (kind) {
    case "ask":
      return `ask ${resource}`;
    case "memory":
      return action === "memory.remember" ? `write to the memory ${resource}` : `read from the memory ${resource}`;
    case "model":
      return `use the model ${resource}`;
    case "human":
      return `ask the people of ${resource}`;
    default:
      return `call ${action}`;
  }
}
