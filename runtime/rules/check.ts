import { type DetailedError, validate } from "@cedar-policy/cedar-wasm/nodejs";
import { canonicalJson } from "../core/canonical.ts";
import type { RuleSetSource } from "../core/judge.ts";
import type { Finding } from "./annotations.ts";
import { cedarSchema, contextRecord, type SchemaAction } from "./cedar-schema.ts";
import { findingOf, type LoadedRule, loadFile, problemAt, ruleId } from "./load.ts";
import { type ModelAction, modelOf, type RuleModel } from "./model.ts";
import { checkNames, type Names, namesFor } from "./names.ts";
import { didYouMean } from "./nearest.ts";
import { isNeverApplies, isUnknownAction, missingAttribute } from "./plain-words.ts";
import { type RuleProblem, sortProblems } from "./problems.ts";
import { HIDDEN_REASONS, own, type VisibleRecord } from "./visible.ts";

/**
 * Everything that is wrong with a rule set, each problem with its file, line and column. An empty list
 * means that {@link compileRuleSet} will take it.
 */
export function checkRules(source: RuleSetSource): RuleProblem[] {
  return checkModel(modelOf(source), { pools: source.pools }).problems;
}

export interface CheckedModel {
  readonly rules: readonly LoadedRule[];
  readonly problems: RuleProblem[];
}

export interface CheckOptions {
  /** The pools that there are; what is on record is not compared with those of today. */
  readonly pools?: readonly string[] | undefined;
  /** Its types were checked before. */
  readonly typed?: boolean;
}

export function checkModel(model: RuleModel, { pools, typed = false }: CheckOptions = {}): CheckedModel {
  const files = model.files.map(loadFile);
  const rules = files.flatMap((file) => file.rules);
  const problems = files.flatMap((file) => file.problems);
  problems.push(...duplicateIds(rules), ...duplicateAgents(model), ...unknownPools(rules, pools));
  for (const loaded of files) {
    const names = namesFor(loaded.file, model);
    const named = loaded.rules.map((rule) => ({ rule, findings: checkNames(rule, names) }));
    for (const { rule, findings } of named) problems.push(...problemsOf(rule, findings));
    const suspects = new Set(named.flatMap(({ rule, findings }) => (findings.length > 0 ? [rule] : [])));
    if (!typed) problems.push(...checkTypes(loaded.rules, suspects, names));
  }
  return {
    rules,
    problems: sortProblems(
      problems,
      model.files.map(({ path }) => path),
    ),
  };
}

function problemsOf(rule: LoadedRule, findings: readonly Finding[]): RuleProblem[] {
  return findings.map((finding) => problemAt(rule.file, finding, ruleId(rule.cedar)));
}

/** An id names one rule in the record, so it is unique in the whole rule set, not only in its file. */
function duplicateIds(rules: readonly LoadedRule[]): RuleProblem[] {
  const first = new Map<string, LoadedRule>();
  return rules.flatMap((rule) => {
    const id = ruleId(rule.cedar);
    if (id === undefined) return [];
    const other = first.get(id);
    if (!other) {
      first.set(id, rule);
      return [];
    }
    const { file, line } = problemAt(other.file, { at: other.source.start, message: "" });
    const message = `The @id "${id}" is taken by the rule at ${file}:${String(line)}.`;
    return [problemAt(rule.file, { at: rule.source.start, message, help: "Give each rule an @id of its own." }, id)];
  });
}

/** Nobody could ever approve what such a rule holds. */
function unknownPools(rules: readonly LoadedRule[], pools: readonly string[] | undefined): RuleProblem[] {
  if (pools === undefined) return [];
  return rules.flatMap((rule) => {
    const pool = rule.meta?.approval?.pool;
    if (pool === undefined || pools.includes(pool)) return [];
    const message = `There is no pool "${pool}" in the configuration.`;
    const help = didYouMean(pool, pools) ?? `Known are ${pools.map((name) => `"${name}"`).join(", ")}.`;
    return [problemAt(rule.file, { at: rule.source.start, message, help }, ruleId(rule.cedar))];
  });
}

function duplicateAgents({ agents }: RuleModel): RuleProblem[] {
  const twice = agents.filter(({ name }, i) => agents[i - 1]?.name === name);
  return twice.map(({ name }) => ({
    file: "(agents)",
    line: 1,
    column: 1,
    message: `Two agents are named "${name}".`,
    help: "Rename one of them.",
  }));
}

/**
 * Lets Cedar check the rules of one file against the schema of the agents that it judges. Agents may
 * have different inputs under one action's name; then every variant is checked, in as many rounds.
 */
function checkTypes(rules: readonly LoadedRule[], suspects: ReadonlySet<LoadedRule>, names: Names): RuleProblem[] {
  if (rules.length === 0) return [];
  const variants = [...names.actions.values()].map(distinct);
  const rounds = Math.max(1, ...variants.map((actions) => actions.length));
  const problems: RuleProblem[] = [];
  const neverApplies = new Map<LoadedRule, number>();
  const places = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const actions = variants.flatMap((of) => of[Math.min(round, of.length - 1)] ?? []);
    const staticPolicies = Object.fromEntries(rules.map((rule, i) => [String(i), rule.source.text]));
    const answer = validate({ schema: cedarSchema(actions), policies: { staticPolicies } });
    if (answer.type === "failure") {
      const message = `Cedar could not check this file: ${answer.errors.map((error) => error.message).join("; ")}`;
      return rules.slice(0, 1).flatMap((rule) => problemsOf(rule, [{ at: rule.source.start, message }]));
    }
    const faulty = new Set<LoadedRule>();
    for (const { policyId, error } of answer.validationErrors) {
      const rule = rules[Number(policyId)];
      if (!rule) continue;
      faulty.add(rule);
      if (isUnknownAction(error) && suspects.has(rule)) continue;
      const finding = typeFinding(rule, error, actions);
      // A rule for many actions may be wrong for each of them in the same place: once is enough.
      const place = `${policyId}:${String(finding.at)}`;
      if (places.has(place)) continue;
      places.add(place);
      problems.push(...problemsOf(rule, [finding]));
    }
    for (const rule of new Set(
      answer.validationWarnings.flatMap(({ policyId, error }) =>
        isNeverApplies(error) ? (rules[Number(policyId)] ?? []) : [],
      ),
    )) {
      if (!faulty.has(rule) && !suspects.has(rule)) neverApplies.set(rule, (neverApplies.get(rule) ?? 0) + 1);
    }
  }
  for (const [rule, times] of neverApplies) {
    if (times < rounds) continue;
    const message = "This rule never applies: no call that it names can meet its conditions.";
    const help = "Check that action and resource belong together and that the conditions do not contradict each other.";
    problems.push(...problemsOf(rule, [{ at: rule.source.start, message, help }]));
  }
  return problems;
}

function distinct(actions: readonly ModelAction[]): SchemaAction[] {
  const byInput = new Map(actions.map((action) => [canonicalJson(action.input), action]));
  return [...byInput.values()].map(({ kind, name, input }) => ({ kind, name, context: contextRecord(input) }));
}

function typeFinding(rule: LoadedRule, error: DetailedError, actions: readonly SchemaAction[]): Finding {
  const finding = findingOf(rule.source, error);
  const missing = missingAttribute(error);
  const action = missing && actions.find(({ name }) => name === missing.action);
  if (!missing || !action) return finding;
  const words = missingInWords(action.context, missing.path, action.name);
  const many =
    rule.cedar.action.op === "==" ? undefined : 'Name one action in the rule\'s head, or test with "has" first.';
  return { at: finding.at, message: words.message, help: words.help ?? many };
}

function missingInWords(context: VisibleRecord, path: readonly string[], action: string): Omit<Finding, "at"> {
  let record = context;
  for (const name of path) {
    const why = own(record.hidden, name) ?? record.opaque;
    if (why !== undefined) {
      return { message: `Rules cannot see "${path.join(".")}" of a call of ${action}: ${HIDDEN_REASONS[why]}.` };
    }
    const field = own(record.fields, name);
    if (field?.value.type !== "Record") {
      const message = `A call of ${action} has no "${path.join(".")}".`;
      return { message, help: didYouMean(name, Object.keys(record.fields)) };
    }
    record = field.value;
  }
  return { message: `A call of ${action} has no "${path.join(".")}".` };
}

/** The place of the attribute that does not exist, at the end of the expression that Cedar marks. */
