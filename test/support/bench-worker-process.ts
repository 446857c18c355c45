/**
 * Signalbox as a contestant: a worker as it is shipped, inside the service that starts the runs and waits for their ends.
 * `DATABASE_URL`, `NATS_WORKER` (access as JSON), `BENCH_RULES` and `BENCH_AGENTS` (with commas between them: the first is
 * what it is told to run, the others are started by others) say with what, `BENCH_SLOTS` how many runs at once (if not as
 * many as usual), and `SIGNALBOX_VERSION` what it is.
 */
import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";
import pino from "pino";
import type { NatsAccess } from "../../runtime/core/stack.ts";
import { startWorker } from "../../runtime/platform/worker-process.ts";
import { runByTurns, type PacedRun } from "./bench-paced-run.ts";
import { benchProject, type BenchAgent } from "./bench-project.ts";
import { serve } from "../bench/engine/serve.ts";

const {
  DATABASE_URL = "",
  NATS_WORKER = "",
  BENCH_RULES = "",
  BENCH_AGENTS = "",
  BENCH_SLOTS,
  SIGNALBOX_VERSION = "",
} = process.env;

const agents = BENCH_AGENTS.split(",") as BenchAgent[];
const [agent = ""] = agents;
const paced = new Map<string, PacedRun>();

const worker = await startWorker({
  config: benchProject(agents, pathToFileURL(BENCH_RULES), (id, superstep) => paced.get(id)?.ran(superstep)),
  databaseUrl: DATABASE_URL,
  nats: JSON.parse(NATS_WORKER) as NatsAccess,
  log: pino({ level: "warn" }, pino.destination(2)),
  ...(BENCH_SLOTS === undefined ? {} : { slots: Number(BENCH_SLOTS) }),
});

async function run(input: object): Promise<void> {
  const { end } = await worker.runs.run({ agent, input, startedBy: { kind: "service", id: "bench" } });
  if (end.type !== "run_finished") throw new Error(`The run ended otherwise: ${JSON.stringify(end.data)}`);
}

serve({
  versions: { signalbox: SIGNALBOX_VERSION },
  run: (input) => run({ id: randomUUID(), log: [], ...input }),
  long: (steps) => run({ id: randomUUID(), steps, log: [] }),
  byTurns: (ages) =>
    runByTurns(ages, async (steps, pacedRun) => {
      const id = randomUUID();
      paced.set(id, pacedRun);
      await run({ id, steps, log: [] });
      paced.delete(id);
    }),
  close: () => worker.close(),
});
