import type { Currency } from "./money.ts";
import { CURRENCIES } from "./money.ts";
import { WordingUnreadableError } from "./errors.ts";

/** One line of section 2: a peril that is insured. */
export interface InsuredPeril {
  readonly section: string;
  readonly peril: string;
  readonly products: readonly string[];
  readonly sharePercent: number;
  readonly capBySumInsured: boolean;
  /** Sections of part 4. */
  readonly limits: readonly string[];
  readonly excess: "full" | "half" | "none";
  readonly documents: readonly string[];
}

/** One line of section 3. `sharePercent` is 0 where nothing is paid. */
export interface Exclusion {
  readonly section: string;
  readonly circumstance: string;
  readonly sharePercent: number;
  readonly meaning: string;
}

/** What code needs of a policy wording: its tables. */
export interface Wording {
  readonly title: string;
  readonly perils: readonly InsuredPeril[];
  readonly exclusions: readonly Exclusion[];
  /** Amounts in minor units by section of part 4. */
  readonly limits: ReadonlyMap<string, Readonly<Record<Currency, number>>>;
}

/**
 * Reads the tables of a policy wording in Markdown. Each part (a `## n` heading) has at most one table;
 * columns are found by their names.
 *
 * @throws {@link WordingUnreadableError} naming the section and what is wrong with it.
 */
export function parseWording(markdown: string): Wording {
  const limits = new Map(tableOf(markdown, 4).map((row) => [row.cell("Section"), limitOf(row)] as const));
  const perils = tableOf(markdown, 2).map(perilOf);
  for (const { section, limits: named } of perils) {
    const missing = named.find((limit) => !limits.has(limit));
    if (missing !== undefined) throw unreadable(section, `it refers to section ${missing}, which part 4 does not have`);
  }
  return {
    title: /^# (.+)$/m.exec(markdown)?.[1] ?? "Policy wording",
    perils,
    exclusions: tableOf(markdown, 3).map(exclusionOf),
    limits,
  };
}

interface Row {
  readonly cell: (column: string) => string;
}

function tableOf(markdown: string, part: number): Row[] {
  const body = markdown.split(/^## /m).find((text) => text.startsWith(`${String(part)} `)) ?? "";
  const lines = body.split("\n").filter((line) => line.startsWith("|"));
  const [head, , ...rows] = lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  if (!head || rows.length === 0) throw unreadable(String(part), "it has no table");
  return rows.map((cells) => ({
    cell: (column) => {
      const value = cells[head.indexOf(column)];
      if (value === undefined || value === "") throw unreadable(cells[0] ?? String(part), `it has no "${column}"`);
      return value;
    },
  }));
}

function perilOf({ cell }: Row): InsuredPeril {
  const section = cell("Section");
  const limits = listOf(cell("Limit"));
  const excess = cell("Excess");
  if (excess !== "full" && excess !== "half" && excess !== "none") {
    throw unreadable(section, `its excess is "${excess}"; full, half and none are known`);
  }
  return {
    section,
    peril: cell("Peril"),
    products: listOf(cell("Products")),
    sharePercent: percentOf(cell("Share paid"), section),
    capBySumInsured: limits.includes("sum insured"),
    limits: limits.filter((limit) => limit !== "sum insured"),
    excess,
    documents: listOf(cell("Documents needed")),
  };
}

function exclusionOf({ cell }: Row): Exclusion {
  const section = cell("Section");
  const effect = cell("Effect");
  const sharePercent = effect === "excluded" ? 0 : percentOf(effect.replace(/^reduced to /, ""), section);
  return { section, circumstance: cell("Circumstance"), sharePercent, meaning: cell("Meaning") };
}

function limitOf({ cell }: Row): Readonly<Record<Currency, number>> {
  const entries = CURRENCIES.map((currency) => {
    const text = cell(currency);
    if (!/^\d{1,3}(,\d{3})*$/.test(text))
      throw unreadable(cell("Section"), `"${text}" is not an amount in ${currency}`);
    return [currency, Number(text.replaceAll(",", "")) * 100] as const;
  });
  return Object.fromEntries(entries) as Record<Currency, number>;
}

function listOf(cell: string): string[] {
  return cell.split(",").map((entry) => entry.trim());
}

function percentOf(text: string, section: string): number {
  const percent = /^(\d{1,3}) %$/.exec(text)?.[1];
  if (percent === undefined || Number(percent) > 100) throw unreadable(section, `"${text}" is not a percentage`);
  return Number(percent);
}

function unreadable(section: string, what: string): WordingUnreadableError {
  return new WordingUnreadableError(
    `Section ${section} of the policy wording cannot be read: ${what}. Correct the document.`,
    { details: { section } },
  );
}
