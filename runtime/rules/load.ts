import { type DetailedError, type PolicyJson, policyToJson } from "@cedar-policy/cedar-wasm/nodejs";
import { type Finding, readAnnotations, type RuleMeta } from "./annotations.ts";
import { endsWithApproval } from "./approval-clause.ts";
import type { ModelFile } from "./model.ts";
import { plainWords } from "./plain-words.ts";
import type { RuleProblem } from "./problems.ts";
import { placeAt, type PolicyText, splitPolicies, unitsOfBytes } from "./tokens.ts";

/** A rule that Cedar could read. `meta` is missing if its annotations are wrong. */
export interface LoadedRule {
  readonly file: ModelFile;
  readonly source: PolicyText;
  readonly cedar: PolicyJson;
  readonly meta: RuleMeta | undefined;
}

export interface LoadedFile {
  readonly file: ModelFile;
  readonly rules: readonly LoadedRule[];
  readonly problems: readonly RuleProblem[];
}

/** Reads the rules of one file, each on its own, so that a wrong one does not hide the others. */
export function loadFile(file: ModelFile): LoadedFile {
  const rules: LoadedRule[] = [];
  const problems: RuleProblem[] = [...textProblems(file)];
  if (!file.text.isWellFormed()) return { file, rules, problems };
  for (const source of splitPolicies(file.text)) {
    const parsed = policyToJson(source.text);
    if (parsed.type === "failure") {
      const findings = unreadable(source) ?? parsed.errors.map((error) => findingOf(source, error));
      problems.push(...findings.map((finding) => problemAt(file, finding)));
      continue;
    }
    const cedar = parsed.json;
    const { meta, findings } = readAnnotations(cedar.effect, cedar.annotations ?? {}, source.tokens);
    const id = ruleId(cedar);
    problems.push(...findings.map((finding) => problemAt(file, finding, id)));
    if (cedar.effect === "forbid" && cedar.annotations?.["effect"] === "require_approval") {
      if (!endsWithApproval(cedar.conditions)) problems.push(problemAt(file, neverSatisfied(source), id));
    }
    rules.push({ file, source, cedar, meta });
  }
  return { file, rules, problems };
}

export function ruleId(cedar: PolicyJson): string | undefined {
  const id = cedar.annotations?.["id"];
  return typeof id === "string" && id !== "" ? id : undefined;
}

export function problemAt(file: ModelFile, finding: Finding, rule?: string): RuleProblem {
  return {
    file: file.path,
    ...placeAt(file.text, finding.at),
    ...(rule === undefined ? {} : { rule }),
    message: finding.message,
    ...(finding.help === undefined ? {} : { help: finding.help }),
  };
}

/** Cedar's error in our words, at its place in the file. */
export function findingOf(source: PolicyText, error: DetailedError): Finding {
  const location = error.sourceLocations?.[0];
  const start = unitsOfBytes(source.text, location?.start ?? 0);
  const end = unitsOfBytes(source.text, location?.end ?? 0);
  const { message, help, trail } = plainWords(error);
  return { at: source.start + start + endOfTrail(source.text.slice(start, end), trail ?? []), message, help };
}

/** Cedar marks `context.input.amonutCents > 5` whole; people look for the word of it that is wrong. */
function endOfTrail(marked: string, trail: readonly string[]): number {
  let at = 0;
  let from = marked.startsWith("context") ? "context".length : 0;
  for (const name of trail) {
    at = marked.indexOf(name, from);
    if (at < 0) return 0;
    from = at + name.length;
  }
  return at;
}

function neverSatisfied(source: PolicyText): Finding {
  return {
    at: source.start,
    message:
      "This rule asks for an approval and would still apply after it was given, so that the call could never go on.",
    help: "End it with unless { context.approval.satisfied }.",
  };
}

/** Mistakes that Cedar reports as an unexpected token, which says little. */
function unreadable({ tokens }: PolicyText): Finding[] | undefined {
  for (const [i, token] of tokens.entries()) {
    const [before, after] = [tokens[i - 1], tokens[i + 1]];
    if (token.text === '"') {
      return [{ at: token.start, message: "This text has no closing quote.", help: 'Close it with ".' }];
    }
    if (token.text === "." && before?.kind === "number" && after?.kind === "number") {
      return [
        {
          at: before.start,
          message: `Rules know only whole numbers, and ${before.text}.${after.text} is a fraction.`,
          help: "Count money in its smallest unit: 500 dollars are 50000 cents.",
        },
      ];
    }
    if (startsRule(token.text) && (before?.text === "}" || before?.text === ")") && hasHead(tokens, i)) {
      return [{ at: before.start, message: "A ; is missing after this: here the next rule begins." }];
    }
  }
  return undefined;
}

function startsRule(word: string): boolean {
  return word === "permit" || word === "forbid" || word === "@";
}

/** Whether a permit or forbid came before this place: if not, `)` closes an annotation. */
function hasHead(tokens: PolicyText["tokens"], end: number): boolean {
  return tokens.slice(0, end).some((token) => token.text === "permit" || token.text === "forbid");
}

/** Characters that change the direction of text make a rule read differently from what it says. */
const BIDI = /[\u202a-\u202e\u2066-\u2069]/g;

function* textProblems(file: ModelFile): Generator<RuleProblem> {
  if (!file.text.isWellFormed()) {
    yield problemAt(file, { at: 0, message: "This file is not well-formed text.", help: "Save it as UTF-8." });
  }
  for (const match of file.text.matchAll(BIDI)) {
    yield problemAt(file, {
      at: match.index,
      message:
        "An invisible character here changes the direction of text, so that the rule reads differently from what it says.",
      help: "Remove it.",
    });
  }
}
