/**
 * What a step costs, side by side with what one would use instead: `npm run bench:engine -- [--json] [--rounds N]
 * [--seconds N] [--only a,b]`. Each round, each contestant in turn is started in processes of its own, warmed up, and
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
 * `--only` takes names of contestants and of these four.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openConnection } from "../../runtime/journal/database.ts";
import { alone20 } from "./engine/alone20.ts";
import { growth } from "./engine/growth.ts";
import { live } from "./engine/live.ts";
import { wake } from "./engine/wake.ts";
import { ContestantProcess } from "./engine/contestant.ts";
import { CONTESTANTS, type ContestantKind } from "./engine/contestants.ts";
import { compiledProgram } from "./engine/programs.ts";
import { postgresCounts, type PostgresCounts } from "./engine/postgres-counters.ts";
import type { Done } from "./engine/serve.ts";
import { startBenchServers, type BenchServers } from "./engine/servers.ts";
import { median } from "./engine/statistics.ts";
import { STEPS } from "./engine/work.ts";

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

/** What a contestant's step costs; null where it has no such thing. */
interface Figures {
  readonly stepsPerS: number;
  readonly msPerStep: number;
  readonly sqlPerStep: number | null;
  readonly walBytesPerStep: number | null;
  readonly tableBytesPerStep: number | null;
  readonly nodeCpuMsPerStep: number;
  readonly pgCpuMsPerStep: number | null;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The contestants' packages, which the product does not have. */
async function installPeers(): Promise<void> {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  if (existsSync(`${folder}node_modules/.package-lock.json`)) return;
  say("installing what is compared with (test/bench/package.json) ...");
  const npm = spawn("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: ["ignore", 2, 2] });
  const [code] = (await once(npm, "exit")) as [number | null];
  if (code !== 0) throw new Error(`npm ci in test/bench ended with ${String(code)}.`);
}

/** One contestant's turn: its figures in each scene. */
async function turn(servers: BenchServers, kind: ContestantKind): Promise<Record<Scene, Figures>> {
  const program = await compiledProgram(kind.program);
  const databaseUrl =
    kind.database === "none" ? "" : await servers.database(`bench_${kind.name.toLowerCase()}`, kind.database);
  await using surroundings = await kind.surroundings({ databaseUrl, nats: servers.nats });
  const counter = databaseUrl === "" ? null : await openConnection({ url: databaseUrl });
  const processes: ContestantProcess[] = [];
  try {
    const start = async (): Promise<void> => {
      const contestant = await ContestantProcess.start(program, kind.nodeArgs ?? [], surroundings.env);
      processes.push(contestant);
      await contestant.tell({ kind: "warm", runs: warmUpRuns });
    };
    const measured = async (concurrency: number): Promise<Figures> => {
      const before = counter && (await postgresCounts(counter));
      const each = { kind: "measure", concurrency: concurrency / processes.length, ms } as const;
      const done = await Promise.all(processes.map((contestant) => contestant.tell(each)));
      const after = counter && (await postgresCounts(counter));
      return figuresOf(done, concurrency, before, after);
    };
    await start();
    for (const [name, version] of Object.entries(processes[0]?.versions ?? {})) versions.set(name, version);
    const c1 = await measured(1);
    const c20 = await measured(20);
    await start();
    const c20w2 = await measured(20);
    for (const contestant of processes.splice(0)) await contestant.close();
    await kind.check?.(databaseUrl, STEPS.length);
    return { c1, c20, c20w2 };
  } finally {
    for (const contestant of processes) await contestant.close();
    await counter?.end();
  }
}

function figuresOf(
  done: readonly Done[],
  concurrency: number,
  before: PostgresCounts | null,
  after: PostgresCounts | null,
): Figures {
  const steps = done.reduce((sum, { runs }) => sum + runs, 0) * STEPS.length;
  const tookMs = Math.max(...done.map((one) => one.ms));
  const per = (count: keyof PostgresCounts): number | null =>
    before && after ? (after[count] - before[count]) / steps : null;
  return {
    stepsPerS: (steps / tookMs) * 1_000,
    msPerStep: (tookMs * concurrency) / steps,
    sqlPerStep: per("statements"),
    walBytesPerStep: per("walBytes"),
    tableBytesPerStep: per("tableBytes"),
    nodeCpuMsPerStep: done.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / steps,
    pgCpuMsPerStep: per("cpuMs"),
  };
}

const versions = new Map<string, string>();
await installPeers();
await using servers = await startBenchServers();
say(
  Object.entries(servers.settings)
    .map(([name, value]) => `${name} ${value}`)
    .join(", "),
);

const taken = new Map<string, Record<Scene, Figures>[]>();
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
  for (const scene of SCENES) {
    report[scene] = Object.fromEntries(
      [...taken].map(([name, all]) => [name, medians(all.map((figures) => figures[scene]))]),
    );
  }
}
for (const [name, measure] of Object.entries(SINGLE)) {
  if (!isWanted(name)) continue;
  report[name] = rounded(await measure(servers));
  say(`${name}: ${JSON.stringify(report[name])}`);
}
if (!values.json) {
  for (const [name, figures] of Object.entries(report)) {
    console.log(name);
    console.table(figures);
  }
}
console.log(JSON.stringify(report));

function rounded(figures: object): object {
  return Object.fromEntries(
    Object.entries(figures).map(([name, figure]) => [
      name,
      typeof figure === "number" ? round(figure) : (figure as unknown),
    ]),
  );
}

function medians(all: readonly Figures[]): Figures {
  const of = (name: keyof Figures): number | null => {
    const found = all.map((figures) => figures[name]);
    return found.every((figure) => figure !== null) ? round(median(found)) : null;
  };
  return {
    stepsPerS: of("stepsPerS") ?? 0,
    msPerStep: of("msPerStep") ?? 0,
    sqlPerStep: of("sqlPerStep"),
    walBytesPerStep: of("walBytesPerStep"),
    tableBytesPerStep: of("tableBytesPerStep"),
    nodeCpuMsPerStep: of("nodeCpuMsPerStep") ?? 0,
    pgCpuMsPerStep: of("pgCpuMsPerStep"),
  };
}

function round(figure: number): number {
  return Number(figure.toPrecision(4));
}
