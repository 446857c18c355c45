/** A piece of Cedar text with its place: offsets count UTF-16 units from the start of the file. */
export interface Token {
  readonly kind: "word" | "number" | "string" | "mark";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** The text of one policy, `;` included, without the comments before it. */
export interface PolicyText {
  readonly text: string;
  readonly start: number;
  readonly tokens: readonly Token[];
}

/**
 * The tokens of Cedar's own lexer (`cedar-policy-core/src/parser/grammar.lalrpop`), as far as places are
 * concerned: a comment ends at either line break, and a string may hold `;`, `//` and line breaks.
 */
const TOKEN =
  /[\s\u0085]+|\/\/[^\n\r]*|(?<string>"(?:\\.|[^"\\])*")|(?<word>[A-Za-z_][A-Za-z0-9_]*)|(?<number>[0-9]+)|(?<mark>::|[^])/gu;

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (const match of text.matchAll(TOKEN)) {
    const groups = match.groups ?? {};
    for (const kind of ["string", "word", "number", "mark"] as const) {
      const found = groups[kind];
      if (found !== undefined) {
        tokens.push({ kind, text: found, start: match.index, end: match.index + found.length });
      }
    }
  }
  return tokens;
}

/**
 * Cuts a file into its policies. Cedar could do that itself, but then it forgets where they were, and
 * stops at the first one that is wrong.
 */
export function splitPolicies(text: string): PolicyText[] {
  const policies: PolicyText[] = [];
  let tokens: Token[] = [];
  const close = (): void => {
    const [first, last] = [tokens[0], tokens.at(-1)];
    if (first && last) policies.push({ text: text.slice(first.start, last.end), start: first.start, tokens });
    tokens = [];
  };
  for (const token of tokenize(text)) {
    tokens.push(token);
    if (token.text === ";") close();
  }
  close();
  return policies;
}

/** Line and column, both from 1, of a UTF-16 offset. `\r\n` is one line break. */
export function placeAt(text: string, offset: number): { line: number; column: number } {
  let line = 1;
  let lineStart = 0;
  for (const match of text.slice(0, offset).matchAll(/\r\n|\n|\r/g)) {
    line++;
    lineStart = match.index + match[0].length;
  }
  return { line, column: offset - lineStart + 1 };
}

/** Cedar counts in bytes of UTF-8; everything else here counts in UTF-16 units. */
export function unitsOfBytes(text: string, bytes: number): number {
  return Buffer.from(text, "utf8").subarray(0, bytes).toString("utf8").length;
}
