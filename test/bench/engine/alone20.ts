import { contestant } from "./contestants.ts";
import { startContestant, type RunningContestant } from "./running-contestant.ts";
import type { BenchServers } from "./servers.ts";
import { median } from "./statistics.ts";

export interface Alone20 {
  readonly memorySaverMsPerStep: number;
  readonly signalboxMsPerStep: number;
  /** Signalbox's by MemorySaver's: the median of the turns' ratios. */
  readonly ratio: number;
}

const STEPS = 20;
const WARM_UP_RUNS = 100;
/** Short ones, so that what else the machine does meets both. */
const TURN_MS = 1_000;
const TURNS_A_ROUND = 4;

/** What a step of a run of twenty steps costs, one run at a time, by turns: LangGraph with its MemorySaver and Signalbox. */
export async function alone20(servers: BenchServers, { rounds }: { readonly rounds: number }): Promise<Alone20> {
  const turns: { readonly memorySaver: number; readonly signalbox: number }[] = [];
  for (let round = 1; round <= rounds; round++) {
    // New processes each round: MemorySaver forgets nothing.
    await using memorySaver = await start(servers, "memorySaver");
    await using signalbox = await start(servers, "signalbox");
    for (let turn = 1; turn <= TURNS_A_ROUND; turn++) {
      turns.push({ memorySaver: await msPerStep(memorySaver), signalbox: await msPerStep(signalbox) });
    }
    await signalbox.check({ perRun: STEPS });
  }
  return {
    memorySaverMsPerStep: median(turns.map((turn) => turn.memorySaver)),
    signalboxMsPerStep: median(turns.map((turn) => turn.signalbox)),
    ratio: median(turns.map((turn) => turn.signalbox / turn.memorySaver)),
  };
}

async function start(servers: BenchServers, name: string): Promise<RunningContestant> {
  const started = await startContestant(servers, contestant(name), { BENCH_STEPS: String(STEPS) });
  await started.process.tell({ kind: "warm", runs: WARM_UP_RUNS });
  return started;
}

async function msPerStep({ process }: RunningContestant): Promise<number> {
  const { ms, runs } = await process.tell({ kind: "measure", concurrency: 1, ms: TURN_MS });
  return ms / (runs * STEPS);
}
