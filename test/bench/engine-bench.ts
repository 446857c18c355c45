/**
 * What a step costs, side by side with what one would use instead: `npm run bench:engine -- [--json] [--rounds N]
 * [--seconds N] [--only a,b] [--chart FILE] [--write]`. Each round, each contestant in turn is started in processes of its own, warmed up, and
 * measured with one run at a time, with twenty, and with twenty on two processes; the figures are medians of the rounds.
 * Runs have five steps, each of which calls a tool and appends 100 bytes, and count once their end is durable.
 *
 * The last line is `{c1, c20, c20w2, growth, wake, live, alone20}`. The first three have the contestants' `{stepsPerS,
 * msPerStep, sqlPerStep, walBytesPerStep, tableBytesPerStep, nodeCpuMsPerStep, pgCpuMsPerStep}`: per step of a run, null
 * where there is no such thing. CPU is that of the contestant's Node processes and of Postgres; a server of its own
 * (Restate's) is not counted. The others are:
 *
 * - `growth` `{steps, tableBytes, walBytes, msPerStepAt50, msPerStepAt5000, ratio, ratioQuartiles}`: what a run of so many
 *   supersteps that append 100 bytes and call nothing adds to Postgres, and what a superstep takes around the 50th of one
 *   and the 5,000th of another, which go on by turns;
 * - `wake` `{p50Ms, p99Ms, decisions}`: from before an approval is asked to be decided until the node after the held call
 *   starts, on a worker with twenty other runs under way;
 * - `live` `{p50Ms, p99Ms, events, frames}`: from an event's commit until its frame is at a client of the console's server,
 *   with such a worker;
 * - `alone20` `{memorySaverMsPerStep, signalboxMsPerStep, ratio}`: one run of twenty steps at a time, by turns.
 *
 * `--only` takes names of contestants and of these four. `--write` puts what was measured whole (all contestants; all four)
 * into docs/performance.md, with the chart that `--chart` draws into a file.
 */
import { parseArgs } from "node:util";
import { drawTo } from "./charts/chart.ts";
import { alone20 } from "./engine/alone20.ts";
import { growth } from "./engine/growth.ts";
import { installBenchPackages } from "./engine/install.ts";
import { live } from "./engine/live.ts";
import { wake } from "./engine/wake.ts";
import { CONTESTANTS, type ContestantKind } from "./engine/contestants.ts";
import { Metered } from "./engine/metered.ts";
import { startBenchServers, type BenchServers } from "./engine/servers.ts";
import { medianCost, type StepCost } from "./engine/step-cost.ts";
import { STEPS } from "./engine/work.ts";
import { engineChart } from "./page/engine.ts";
import type { Figures } from "./page/figures.ts";
import { measuredNow } from "./page/measured.ts";
import { writePage } from "./page/page.ts";

/** What is measured once, beside the scenes. */
const SINGLE: Readonly<Record<string, (servers: BenchServers) => Promise<object>>> = {
  growth,
  wake,
  live,
  alone20: (on) => alone20(on, { rounds }),
};

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    warm: { type: "string", default: "200" },
    only: { type: "string" },
    chart: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const ms = Number(values.seconds) * 1_000;
const warmUpRuns = Number(values.warm);
const wanted = values.only?.split(",");
const isWanted = (name: string): boolean => wanted === undefined || wanted.includes(name);
const contestants = CONTESTANTS.filter(({ name }) => isWanted(name));
for (const name of wanted ?? []) {
  const known = [...CONTESTANTS.map((one) => one.name), ...Object.keys(SINGLE)];
  if (!known.includes(name)) throw new Error(`There is nothing named "${name}" to measure: ${known.join(", ")}.`);
}

const SCENES = ["c1", "c20", "c20w2"] as const;
type Scene = (typeof SCENES)[number];

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** One contestant's turn: its figures in each scene. */
async function turn(servers: BenchServers, kind: ContestantKind): Promise<Record<Scene, StepCost>> {
  await using metered = await Metered.start(servers, kind, { stepsPerRun: STEPS.length, warmUpRuns });
  for (const [name, version] of Object.entries(metered.processes[0]?.versions ?? {})) versions.set(name, version);
  const c1 = await metered.cost({ concurrency: 1, ms });
  const c20 = await metered.cost({ concurrency: 20, ms });
  await metered.addProcess();
  const c20w2 = await metered.cost({ concurrency: 20, ms });
  await metered.check();
  return { c1, c20, c20w2 };
}

const versions = new Map<string, string>();
await installBenchPackages();
await using servers = await startBenchServers();
say(
  Object.entries(servers.settings)
    .map(([name, value]) => `${name} ${value}`)
    .join(", "),
);

const taken = new Map<string, Record<Scene, StepCost>[]>();
for (let round = 1; round <= rounds; round++) {
  for (const kind of contestants) {
    const figures = await turn(servers, kind);
    taken.set(kind.name, [...(taken.get(kind.name) ?? []), figures]);
    const brief = SCENES.map((scene) => `${scene} ${figures[scene].stepsPerS.toFixed(0)} steps/s`).join(", ");
    say(`round ${String(round)}: ${kind.name}: ${brief}`);
  }
}
if (versions.size > 0) say([...versions].map(([name, version]) => `${name} ${version}`).join(", "));

const report: Record<string, object> = {};
if (contestants.length > 0) {
  const inScene = (scene: Scene): Record<string, StepCost> =>
    Object.fromEntries([...taken].map(([name, all]) => [name, medianCost(all.map((figures) => figures[scene]))]));
  const scenes = { c1: inScene("c1"), c20: inScene("c20"), c20w2: inScene("c20w2") };
  Object.assign(report, scenes);
  await show({ scenes, versions: Object.fromEntries(versions) });
}
for (const [name, measure] of Object.entries(SINGLE)) {
  if (!isWanted(name)) continue;
  report[name] = rounded(await measure(servers));
  say(`${name}: ${JSON.stringify(report[name])}`);
}
if (values.write && Object.keys(SINGLE).every((name) => report[name])) {
  // Each has been measured by the function of its name.
  const waking = Object.fromEntries(Object.keys(SINGLE).map((name) => [name, report[name]])) as Figures<"waking">;
  await writePage({ waking: measuredNow("bench:engine", servers.settings, waking) });
}
if (!values.json) {
  for (const [name, figures] of Object.entries(report)) {
    console.log(name);
    console.table(figures);
  }
}
console.log(JSON.stringify(report));

/** Draws, and writes down, what was measured of the contestants. */
async function show(figures: Figures<"engine">): Promise<void> {
  if (values.chart !== undefined) await drawTo(values.chart, engineChart(figures));
  if (!values.write || contestants.length < CONTESTANTS.length) return;
  await writePage({ engine: measuredNow("bench:engine", servers.settings, figures) });
}

function rounded(figures: object): object {
  return Object.fromEntries(
    Object.entries(figures).map(([name, figure]) => [
      name,
      typeof figure === "number" ? round(figure) : (figure as unknown),
    ]),
  );
}

function round(figure: number): number {
  return Number(figure.toPrecision(4));
}
