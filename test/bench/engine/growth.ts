import { openConnection } from "../../../runtime/journal/database.ts";
import type { Turn } from "../../support/bench-paced-run.ts";
import { GROWING_SIGNALBOX } from "./contestants.ts";
import { postgresCounts } from "./postgres-counters.ts";
import { startContestant } from "./running-contestant.ts";
import type { BenchServers } from "./servers.ts";
import { median, quantile } from "./statistics.ts";

export interface Growth {
  readonly steps: number;
  /** What all tables of the database grew by, with their indexes and what lies out of line. */
  readonly tableBytes: number;
  readonly walBytes: number;
  /** What a superstep takes around the 50th and the 5,000th of a run. */
  readonly msPerStepAt50: number;
  readonly msPerStepAt5000: number;
  /** The second by the first, of one turn: the median. */
  readonly ratio: number;
  /** Half of the turns' ratios lie between these. */
  readonly ratioQuartiles: readonly [number, number];
}

const STEPS = 1_000;
/** Ten supersteps a turn: up to the 80th and the 5,030th. */
const AGES = { young: 20, old: 4_970, turns: 6 };
const PAIRS = 12;

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
    await signalbox.check({ perRun: 0 });
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

async function times(
  servers: BenchServers,
): Promise<Pick<Growth, "msPerStepAt50" | "msPerStepAt5000" | "ratio" | "ratioQuartiles">> {
  await using signalbox = await startContestant(servers, GROWING_SIGNALBOX);
  const turns: Turn[] = [];
  for (let pair = 0; pair <= PAIRS; pair++) {
    const done = await signalbox.process.tell({ kind: "by turns", ...AGES });
    if (done.turns.length !== AGES.turns) throw new Error(`The runs have had ${String(done.turns.length)} turns.`);
    // The first pair warms up.
    if (pair > 0) turns.push(...done.turns);
  }
  await signalbox.check({ perRun: 0 });
  const ratios = turns.map(({ youngMs, oldMs }) => oldMs / youngMs);
  return {
    msPerStepAt50: median(turns.map(({ youngMs }) => youngMs)),
    msPerStepAt5000: median(turns.map(({ oldMs }) => oldMs)),
    ratio: median(ratios),
    ratioQuartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
  };
}
