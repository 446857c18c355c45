export { checkRules } from "./check.ts";
export { compileRuleSet, readRuleSet, restoreRuleSet, type CompiledRuleSet } from "./compile.ts";
export { RulesInvalidError, RuleSetUnreadableError } from "./errors.ts";
export { formatRuleProblem, type RuleProblem } from "./problems.ts";
export type { Fault } from "./outcome.ts";
