import { SignalboxError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { formatRuleProblem, type RuleProblem } from "./problems.ts";

/** A rule set does not load. `details.problems` lists everything that is wrong with it. */
export class RulesInvalidError extends SignalboxError {
  static override readonly code = "RULES_INVALID";
  readonly problems: readonly RuleProblem[];

  constructor(problems: readonly RuleProblem[]) {
    const count = problems.length === 1 ? "one problem" : `${String(problems.length)} problems`;
    super(
      `The rules were not loaded: ${count}. Correct the rules, check them with \`npx signalbox rules check\`, and load them again.\n${problems
        .map(formatRuleProblem)
        .join("\n")}`,
      { details: { problems: problems.map((problem): JsonValue => ({ ...problem })) } },
    );
    this.problems = problems;
  }
}

/** A recorded rule set cannot be read: it was altered, or written by a release that this one does not know. */
export class RuleSetUnreadableError extends SignalboxError {
  static override readonly code = "RULE_SET_UNREADABLE";
}
