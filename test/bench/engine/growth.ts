import { openConnection } from "../../../runtime/journal/database.ts";
import { GROWING_SIGNALBOX } from "./contestants.ts";
import { postgresCounts } from "./postgres-counters.ts";
import { startContestant } from "./running-contestant.ts";
import type { BenchServers } from "./servers.ts";
import { median } from "./statistics.ts";

export interface Growth {
  readonly steps: number;
  /** What all tables of the database grew by, with their indexes and what lies out of line. */
  readonly tableBytes: number;
  readonly walBytes: number;
  /** What a superstep takes around the 50th and the 5,000th of a run. */
  readonly msPerStepAt50: number;
  readonly msPerStepAt5000: number;
  /** The second by the first: the median of the runs' ratios. */
  readonly ratio: number;
}

const STEPS = 1_000;
const LONG_STEPS = 5_100;
const EARLY = { from: 20, to: 120 };
const LATE = { from: 4_950, to: 5_050 };
const LONG_RUNS = 8;

/** What a run of many supersteps, each of which appends 100 bytes and calls nothing, leaves behind, and takes. */
export async function growth(servers: BenchServers): Promise<Growth> {
  return { ...(await bytes(servers)), ...(await times(servers)) };
}

async function bytes(servers: BenchServers): Promise<Pick<Growth, "steps" | "tableBytes" | "walBytes">> {
  await using signalbox = await startContestant(servers, GROWING_SIGNALBOX);
  const counter = await openConnection({ url: signalbox.databaseUrl });
  try {
    // What the first run of all leaves is not what a run leaves.
    await signalbox.process.tell({ kind: "long", steps: 10 });
    const before = await postgresCounts(counter);
    await signalbox.process.tell({ kind: "long", steps: STEPS });
    // What it still writes, it writes before it has ended.
    await signalbox.check(0);
    const after = await postgresCounts(counter);
    return {
      steps: STEPS,
      tableBytes: after.tableBytes - before.tableBytes,
      walBytes: after.walBytes - before.walBytes,
    };
  } finally {
    await counter.end();
  }
}

async function times(servers: BenchServers): Promise<Pick<Growth, "msPerStepAt50" | "msPerStepAt5000" | "ratio">> {
  await using signalbox = await startContestant(servers, GROWING_SIGNALBOX);
  const runs: { readonly early: number; readonly late: number }[] = [];
  for (let run = 0; run <= LONG_RUNS; run++) {
    const { ranMs } = await signalbox.process.tell({ kind: "long", steps: LONG_STEPS });
    if (ranMs.length !== LONG_STEPS) throw new Error(`The run has made ${String(ranMs.length)} supersteps.`);
    // The first one warms up.
    if (run > 0) runs.push({ early: medianGap(ranMs, EARLY), late: medianGap(ranMs, LATE) });
  }
  await signalbox.check(0);
  return {
    msPerStepAt50: median(runs.map(({ early }) => early)),
    msPerStepAt5000: median(runs.map(({ late }) => late)),
    ratio: median(runs.map(({ early, late }) => late / early)),
  };
}

/** The time from one node to the next, in the middle of these supersteps'. */
function medianGap(ranMs: readonly number[], { from, to }: { readonly from: number; readonly to: number }): number {
  const within = ranMs.slice(from, to + 1);
  return median(within.slice(1).map((ms, i) => ms - (within[i] ?? NaN)));
}
