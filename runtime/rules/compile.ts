import { canonicalJson, sha256 } from "../core/canonical.ts";
import type { JsonObject } from "../core/json.ts";
import type { Judge, RuleSetSource } from "../core/judge.ts";
import { checkModel } from "./check.ts";
import { RulesInvalidError } from "./errors.ts";
import { CedarJudge } from "./judge.ts";
import { placeRules } from "./matching.ts";
import { contentOf, modelFromContent, modelOf, type RuleModel } from "./model.ts";

/** A rule set that judges. `ruleSet` and `hash` are the same: the SHA-256 of `content` as canonical JSON. */
export interface CompiledRuleSet extends Judge {
  readonly hash: string;
  /** What is recorded, and from which {@link restoreRuleSet} makes the same judge again. */
  readonly content: JsonObject;
}

/**
 * Checks and compiles a rule set. Equal sources give equal hashes on every machine: of a file's path only
 * the name counts, and the order of agents does not.
 *
 * @throws {@link RulesInvalidError} listing everything that is wrong with it.
 */
export function compileRuleSet(source: RuleSetSource): CompiledRuleSet {
  return compile(modelOf(source), source.pools);
}

/**
 * Makes the judge of a recorded rule set.
 *
 * @throws {@link RuleSetUnreadableError} if this is not a rule set's content.
 * @throws {@link RulesInvalidError} if today's rules engine does not accept it.
 */
export function restoreRuleSet(content: unknown): CompiledRuleSet {
  return compile(modelFromContent(content));
}

function compile(model: RuleModel, pools?: readonly string[]): CompiledRuleSet {
  const { rules, problems } = checkModel(model, pools);
  if (problems.length > 0) throw new RulesInvalidError(problems);
  const content = contentOf(model);
  const hash = sha256(canonicalJson(content));
  const judge = new CedarJudge(hash, model.agents, placeRules(rules));
  return { ruleSet: hash, hash, content, judge: (call) => judge.judge(call) };
}
