/**
 * What a step costs by what there is more or less of: `npm run bench:costs -- [--only PARTS] [--rounds N] [--seconds N]
 * [--json] [--chart-folder FOLDER] [--write]`. Parts, with commas between them:
 *
 * - `floor`: LangGraph alone, one verdict, one hash, one commit: what no step is cheaper than;
 * - `length`, `state`, `rules`, `concurrency`, `workers`, `memory`: by the steps of a run, the bytes of its state, the
 *   rules, the runs at once, the worker processes, and the young generation of their memory.
 *
 * Within a part all sizes are there at once and are measured by turns; figures are medians of the rounds. The last line is
 * `{[part]: [{series, x, cost, rssMb}]}`, of `floor` an object; `cost` is that of `bench:engine`. `--write` puts them into
 * docs/performance.md.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { drawTo } from "./charts/chart.ts";
import { floor } from "./costs/floor.ts";
import { concurrency, length, memory, rules, state, workers } from "./costs/sweeps.ts";
import { installBenchPackages } from "./engine/install.ts";
import { startBenchServers } from "./engine/servers.ts";
import { hasChart, sweepChart } from "./page/costs.ts";
import type { Figures } from "./page/figures.ts";
import { measuredNow } from "./page/measured.ts";
import { writePage } from "./page/page.ts";

const PARTS = { floor, length, state, rules, concurrency, workers, memory };
type Part = keyof typeof PARTS;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "1.2" },
    json: { type: "boolean", default: false },
    "chart-folder": { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const names = (values.only?.split(",") ?? Object.keys(PARTS)) as Part[];
for (const name of names) {
  if (!Object.hasOwn(PARTS, name)) throw new Error(`There is no part "${name}": ${Object.keys(PARTS).join(", ")}.`);
}
const options = { rounds: Number(values.rounds), ms: Number(values.seconds) * 1_000 };

await installBenchPackages();
await using servers = await startBenchServers();
const report: Record<string, Figures<Part>> = {};
for (const name of names) {
  process.stderr.write(`${name}:\n`);
  await measure(name);
}

async function measure(name: Part): Promise<void> {
  const figures = await PARTS[name](servers, options);
  report[name] = figures;
  const folder = values["chart-folder"];
  if (folder !== undefined && hasChart(name) && Array.isArray(figures))
    await drawTo(join(folder, `${name}.svg`), sweepChart(name, figures));
  if (values.write) await writePage({ [name]: measuredNow("bench:costs", servers.settings, figures) });
}

if (!values.json) {
  for (const [name, figures] of Object.entries(report)) {
    console.log(name);
    const rows = Array.isArray(figures) ? figures.map(({ series, x, cost }) => ({ series, x, ...cost })) : figures;
    console.table(rows);
  }
}
console.log(JSON.stringify(report));
