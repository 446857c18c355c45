/** What a step costs by what there is more or less of: each a part of `npm run bench:costs`. */
import { WORKER_NODE_ARGS } from "../../../runtime/platform/worker-child.ts";
import { rulesText, type RuleCounts } from "../../support/bench-project.ts";
import { contestant, signalbox } from "../engine/contestants.ts";
import { Metered } from "../engine/metered.ts";
import type { BenchServers } from "../engine/servers.ts";
import { eachFigure, type StepCost } from "../engine/step-cost.ts";
import { STEPS } from "../engine/work.ts";
import type { Sweep } from "../page/figures.ts";
import { inTurns, type Point } from "./sweep.ts";

const CONCURRENCY = 20;
const stepsPerRun = STEPS.length;

interface SweepOptions {
  readonly rounds: number;
  /** How long each measurement takes, at least. */
  readonly ms: number;
}

/** Measures with contestants that are all there at the same time, and looks at what they have left behind. */
async function sweep(
  rounds: number,
  open: (started: (one: Promise<Metered>) => Promise<Metered>) => Promise<readonly Point[]>,
): Promise<Sweep> {
  const all: Metered[] = [];
  try {
    const points = await open(async (starting) => {
      const one = await starting;
      all.push(one);
      return one;
    });
    const measured = await inTurns(points, rounds);
    for (const one of all) await one.check();
    return measured;
  } finally {
    for (const one of all) await one[Symbol.asyncDispose]();
  }
}

/** By how many steps a run has: each calls a tool and appends 100 bytes. */
export function length(servers: BenchServers, { rounds, ms }: SweepOptions): Promise<Sweep> {
  return sweep(rounds, async (started) => {
    const input = { steps: 5, bytes: 100, writes: "log" };
    const metered = await started(Metered.start(servers, signalbox("length", ["loops"]), { stepsPerRun: 5, input }));
    return [5, 20, 100, 1_000, 5_000].map((steps) => ({
      series: "Signalbox",
      x: steps,
      metered,
      measure: () => metered.cost({ concurrency: 4, ms, input: { ...input, steps } }, { stepsPerRun: steps }),
    }));
  });
}

/**
 * By how large the state is. `appended`: 100 bytes are appended to a list that is so large when the run starts; `replaced`:
 * each step writes so much in the place of what was there. What one more step costs: what starting and ending the run
 * costs is left out, with the recording of what it starts with.
 */
export function state(servers: BenchServers, { rounds, ms }: SweepOptions): Promise<Sweep> {
  const few = 5;
  const many = 55;
  return sweep(rounds, async (started) => {
    const first = { steps: few, bytes: 100, writes: "log" };
    const metered = await started(
      Metered.start(servers, signalbox("state", ["loops"]), { stepsPerRun: few, input: first }),
    );
    const cost = (input: object, steps: number): Promise<StepCost> =>
      metered.cost({ concurrency: 10, ms, input: { ...input, steps } }, { stepsPerRun: steps });
    return [100, 1_000, 10_000, 100_000].flatMap((bytes) =>
      (["appended", "replaced"] as const).map((series) => {
        const input =
          series === "appended" ? { bytes: 100, writes: "log", log: ["x".repeat(bytes)] } : { bytes, writes: "page" };
        const measure = async (): Promise<StepCost> => {
          const short = await cost(input, few);
          const long = await cost(input, many);
          return moreSteps(short, few, long, many);
        };
        return { series, x: bytes, metered, measure };
      }),
    );
  });
}

/** What each of the steps costs that the long run has and the short one has not. */
function moreSteps(short: StepCost, few: number, long: StepCost, many: number): StepCost {
  const more = (of: (cost: StepCost) => number): number => (of(long) * many - of(short) * few) / (many - few);
  return eachFigure((name) => {
    if (name === "stepsPerS") return 1 / more(({ stepsPerS }) => 1 / stepsPerS);
    return long[name] === null ? null : more((cost) => cost[name] ?? NaN);
  });
}

/** By how many rules are about the tool that is called, and about another one. */
export function rules(servers: BenchServers, { rounds, ms }: SweepOptions): Promise<Sweep> {
  const sizes = [1, 20, 100, 500].flatMap((x): (RuleCounts & { readonly series: string; readonly x: number })[] => [
    { series: "of the tool that is called", x, look: x, pay: 1 },
    { series: "of another tool", x, look: 1, pay: x },
  ]);
  return sweep(rounds, async (started) => {
    const points: Point[] = [];
    for (const [i, { series, x, look, pay }] of sizes.entries()) {
      const kind = signalbox(`rules_${String(i)}`, ["reads"], { rules: rulesText({ look, pay }) });
      const metered = await started(Metered.start(servers, kind, { stepsPerRun }));
      const measure = (): Promise<StepCost> => metered.cost({ concurrency: CONCURRENCY, ms });
      points.push({ series, x, metered, measure });
    }
    return points;
  });
}

/** By how many runs are under way at once, beside LangGraph with its MemorySaver. */
export function concurrency(servers: BenchServers, { rounds, ms }: SweepOptions): Promise<Sweep> {
  const sizes = [1, 2, 5, 10, 20, 50, 100];
  return sweep(rounds, async (started) => {
    const env = { BENCH_SLOTS: String(Math.max(...sizes)) };
    const ours = await started(Metered.start(servers, signalbox("concurrency", ["reads"]), { stepsPerRun, env }));
    const memory = await started(Metered.start(servers, contestant("memorySaver"), { stepsPerRun }));
    return sizes.flatMap((x) => [
      { series: "Signalbox", x, metered: ours, measure: () => ours.cost({ concurrency: x, ms }) },
      { series: "LangGraph with MemorySaver", x, metered: memory, measure: () => memory.cost({ concurrency: x, ms }) },
    ]);
  });
}

/** By how many processes share twenty runs at once. */
export function workers(servers: BenchServers, { rounds, ms }: SweepOptions): Promise<Sweep> {
  return sweep(rounds, async (started) => {
    const points: Point[] = [];
    for (const x of [1, 2, 4]) {
      const kind = signalbox(`workers_${String(x)}`, ["reads"]);
      const metered = await started(Metered.start(servers, kind, { stepsPerRun }));
      while (metered.processes.length < x) await metered.addProcess();
      points.push({ series: "Signalbox", x, metered, measure: () => metered.cost({ concurrency: CONCURRENCY, ms }) });
    }
    return points;
  });
}

/** By how large Node lets the young generation of its memory grow, in MB for each of its halves. */
export function memory(servers: BenchServers, { rounds, ms }: SweepOptions): Promise<Sweep> {
  return sweep(rounds, async (started) => {
    const points: Point[] = [];
    for (const x of [16, 32, 64]) {
      const others = WORKER_NODE_ARGS.filter((arg) => !arg.startsWith("--max-semi-space-size"));
      const nodeArgs = [...others, `--max-semi-space-size=${String(x)}`];
      const kind = signalbox(`memory_${String(x)}`, ["reads"], { nodeArgs });
      const metered = await started(Metered.start(servers, kind, { stepsPerRun }));
      points.push({ series: "Signalbox", x, metered, measure: () => metered.cost({ concurrency: CONCURRENCY, ms }) });
    }
    return points;
  });
}
