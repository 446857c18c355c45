import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { whileBusy } from "./busy.ts";
import { WATCHED_SIGNALBOX } from "./contestants.ts";
import { startOperators, type Operators } from "./operators.ts";
import { startContestant } from "./running-contestant.ts";
import type { BenchServers } from "./servers.ts";
import { quantile } from "./statistics.ts";

export interface Wake {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly decisions: number;
}

const DECISIONS = 300;
/** The first ones warm up. */
const WARM_UP_DECISIONS = 20;
/** Between two decisions; how long exactly is left to chance. */
const LONGEST_PAUSE_MS = 120;
const PARK_MS = 120_000;
const LOOK_MS = 100;

/** How long it takes from before an approval is decided until the node after the held call starts, on a busy worker. */
export async function wake(servers: BenchServers): Promise<Wake> {
  await using worker = await startContestant(servers, WATCHED_SIGNALBOX);
  await using operators = await startOperators(worker.databaseUrl, servers.nats.console);
  const askedNs = await whileBusy(worker.process, async () => {
    await startHeldRuns(operators, DECISIONS + WARM_UP_DECISIONS);
    return approveAll(operators);
  });
  // Lets what was woken come to its end.
  await worker.close();
  const startedNs = await whenNextNodesStarted(operators);
  const waits = [...askedNs].slice(WARM_UP_DECISIONS).map(([run, asked]) => {
    const started = startedNs.get(run);
    if (started === undefined) throw new Error(`The run ${run} did not go on after its call was approved.`);
    return Number(started - asked) / 1_000_000;
  });
  return { p50Ms: quantile(waits, 0.5), p99Ms: quantile(waits, 0.99), decisions: waits.length };
}

/** Has runs started, and waits until each has a call that waits for approval. */
async function startHeldRuns({ services, starter, database }: Operators, runs: number): Promise<void> {
  for (let run = 0; run < runs; run++) {
    await services.startRun(starter, { agent: "held", input: { id: randomUUID() } });
  }
  for (const deadline = performance.now() + PARK_MS; ;) {
    const [row] = await database.query<{ parked: number }>(
      "select count(*)::int as parked from runs where agent = 'held' and status = 'parked'",
    );
    if (row?.parked === runs) return;
    if (performance.now() > deadline) throw new Error(`Only ${String(row?.parked)} of ${String(runs)} runs wait.`);
    await delay(LOOK_MS);
  }
}

/** Approves all that waits, one call after another. @returns when each decision was asked for, by run */
async function approveAll({ services, decider }: Operators): Promise<Map<string, bigint>> {
  const askedNs = new Map<string, bigint>();
  for (;;) {
    const { approvals } = await services.listApprovals(decider, { status: "pending", limit: 100 });
    if (approvals.length === 0) return askedNs;
    for (const { approval, run, argsHash } of approvals) {
      await delay(Math.random() * LONGEST_PAUSE_MS);
      askedNs.set(run, process.hrtime.bigint());
      await services.decide(decider, approval, { decision: "approve", reason: "", argsHash });
    }
  }
}

/** When the node after the held call started, by run: the nodes have noted it. */
async function whenNextNodesStarted({ database }: Operators): Promise<Map<string, bigint>> {
  const ends = await database.query<{ run: string; data: string }>(
    `select run_id as run, e.data from runs join events e using (run_id)
     where agent = 'held' and e.type = 'run_finished'`,
  );
  return new Map(
    ends.map(({ run, data }) => {
      const { output } = JSON.parse(data) as { readonly output: { readonly startedNs: string } };
      return [run, BigInt(output.startedNs)];
    }),
  );
}
