/** A table of Markdown. @param texts how many columns from the left are text; the others are figures */
export function table(head: readonly string[], rows: readonly (readonly string[])[], texts = 1): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => (i < texts ? "---" : "---:"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** All digits, for what was counted. */
export function count(figure: number): string {
  return figure.toLocaleString("en");
}

/** Three digits that say something, and commas between thousands. */
export function number(figure: number | null): string {
  if (figure === null || Number.isNaN(figure)) return "–";
  return figure.toLocaleString("en", { maximumSignificantDigits: 3 });
}

export function ms(figure: number | null): string {
  return figure === null ? "–" : `${number(figure)} ms`;
}

const UNITS = [
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3],
] as const;

/** @param figure bytes */
export function bytes(figure: number | null): string {
  if (figure === null) return "–";
  const [unit, size] = UNITS.find(([, size]) => figure >= size) ?? ["B", 1];
  return `${number(figure / size)} ${unit}`;
}
