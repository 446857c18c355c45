/**
 * One thing that is wrong with a rule. `line` and `column` count from 1 in the original file; a column
 * counts UTF-16 units, as editors and `tsc` do.
 */
export interface RuleProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The rule's `@id`, where it has one. */
  readonly rule?: string;
  readonly message: string;
  readonly help?: string;
}

/** A problem as one line for people: `rules.cedar:3:9 …`, which editors and terminals turn into a link. */
export function formatRuleProblem(problem: RuleProblem): string {
  const rule = problem.rule === undefined ? "" : ` (rule "${problem.rule}")`;
  const help = problem.help === undefined ? "" : ` ${problem.help}`;
  return `${problem.file}:${String(problem.line)}:${String(problem.column)} ${problem.message}${help}${rule}`;
}

/** In the order of the files, then of the places in them; a problem that was found twice is listed once. */
export function sortProblems(problems: readonly RuleProblem[], files: readonly string[]): RuleProblem[] {
  const seen = new Set<string>();
  return problems
    .filter((problem) => {
      const text = formatRuleProblem(problem);
      return seen.has(text) ? false : seen.add(text);
    })
    .sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column);
}
