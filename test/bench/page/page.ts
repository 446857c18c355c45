/** docs/performance.md: its blocks and charts are made of the figures beside them, so that none can differ. */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as prettier from "prettier";
import { drawTo, type Chart } from "../charts/chart.ts";
import { floorTable, hasChart, sweepChart, sweepTable, type SweepName } from "./costs.ts";
import { engineChart, engineTable, wakingTable } from "./engine.ts";
import { readFigures, writeFigures, type AllFigures, type FigureName, type Figures, type Sweep } from "./figures.ts";
import { listsTable, verifyTable } from "./lists.ts";
import { profileChart, profileTable } from "./profile.ts";
import { answers, sizing } from "./sizing.ts";

const DOCS = new URL("../../../docs/", import.meta.url);
export const PAGE = new URL("performance.md", DOCS);
export const CHARTS = new URL("performance/", DOCS);
const FIGURES = new URL("figures.json", CHARTS);

/** A part of the page that is made of figures. */
interface Block {
  readonly text: (all: AllFigures) => string;
  readonly chart: (all: AllFigures) => Chart | null;
}

/** Shows what one command measures. */
function measured<Name extends FigureName>(
  name: Name,
  write: (figures: Figures<Name>) => string,
  draw?: (figures: Figures<Name>) => Chart,
): Block {
  return {
    text(all) {
      const found = all[name];
      if (!found) return "_Not measured yet._";
      const { figures, command, machine, measured: day } = found;
      const picture = draw ? `![${draw(figures).description}](performance/${name}.svg)\n\n` : "";
      return `${picture}${write(figures)}\n\nMeasured with \`${command}\` on ${machine}; ${day}.`;
    },
    chart(all) {
      const found = all[name];
      return found && draw ? draw(found.figures) : null;
    },
  };
}

function swept(name: SweepName): Block {
  const write = (sweep: Sweep): string => sweepTable(name, sweep);
  return hasChart(name) ? measured(name, write, (sweep) => sweepChart(name, sweep)) : measured(name, write);
}

/** Worked out from figures of several commands. */
function workedOut(text: Block["text"]): Block {
  return { text, chart: () => null };
}

export const BLOCKS: Readonly<Record<FigureName | "answers" | "sizing", Block>> = {
  answers: workedOut(answers),
  profile: measured("profile", profileTable, profileChart),
  floor: measured("floor", floorTable),
  length: swept("length"),
  state: swept("state"),
  rules: swept("rules"),
  concurrency: swept("concurrency"),
  workers: swept("workers"),
  memory: swept("memory"),
  engine: measured("engine", engineTable, engineChart),
  waking: measured("waking", wakingTable),
  lists: measured("lists", listsTable),
  verify: measured("verify", verifyTable),
  sizing: workedOut(sizing),
};

/**
 * The page with every block made anew.
 *
 * @param text the page as it stands, with a comment before and behind each block
 * @throws Error if a block is missing
 */
export async function pageOf(text: string, all: AllFigures): Promise<string> {
  let page = text;
  for (const [name, block] of Object.entries(BLOCKS)) page = withBlock(page, name, block.text(all));
  const options = await prettier.resolveConfig(fileURLToPath(PAGE));
  return prettier.format(page, { ...options, filepath: fileURLToPath(PAGE) });
}

function withBlock(page: string, name: string, block: string): string {
  const [start, end] = [`<!-- figures: ${name} -->`, `<!-- /figures: ${name} -->`];
  const from = page.indexOf(start);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no block "${start} … ${end}".`);
  return `${page.slice(0, from + start.length)}\n\n${block}\n\n${page.slice(to)}`;
}

export async function storedFigures(): Promise<AllFigures> {
  return readFigures(FIGURES);
}

/** Puts figures into the page, with what is worked out from them, and draws their charts. */
export async function writePage(fresh: AllFigures): Promise<void> {
  const all: AllFigures = { ...(await storedFigures()), ...fresh };
  await writeFigures(FIGURES, all);
  await writeFile(PAGE, await pageOf(await readFile(PAGE, "utf8"), all));
  for (const name of Object.keys(fresh) as FigureName[]) {
    const chart = BLOCKS[name].chart(all);
    if (chart) await drawTo(fileURLToPath(new URL(`${name}.svg`, CHARTS)), chart);
  }
}
