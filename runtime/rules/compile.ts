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
  return readRuleSet(source).compile();
}

/** A rule set that was read, and not looked into. */
export interface ReadRuleSet {
  /** As that of the compiled one. */
  readonly hash: string;
  /**
   * @param typed its types were checked before, by whoever put the set of this hash on record: that is most of the work
   * @throws {@link RulesInvalidError} listing everything that is wrong with it.
   */
  compile(typed?: boolean): CompiledRuleSet;
}

/** Reads a rule set as far as its hash, see {@link compileRuleSet}. */
export function readRuleSet(source: RuleSetSource): ReadRuleSet {
  return readModel(modelOf(source), source.pools);
}

/**
 * Makes the judge of a recorded rule set.
 *
 * @throws {@link RuleSetUnreadableError} if this is not a rule set's content.
 * @throws {@link RulesInvalidError} if today's rules engine does not accept it.
 */
export function restoreRuleSet(content: unknown): CompiledRuleSet {
  return readModel(modelFromContent(content)).compile();
}

function readModel(model: RuleModel, pools?: readonly string[]): ReadRuleSet {
  const content = contentOf(model);
  const hash = sha256(canonicalJson(content));
  return {
    hash,
    compile(typed = false) {
      const { rules, problems } = checkModel(model, { pools, typed });
      if (problems.length > 0) throw new RulesInvalidError(problems);
      const judge = new CedarJudge(hash, model.agents, placeRules(rules));
      return { ruleSet: hash, hash, content, judge: (call) => judge.judge(call) };
    },
  };
}
