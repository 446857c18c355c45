/**
 * Signalbox as a contestant: a worker as it is shipped, inside the service that starts the runs and waits for their ends.
 * `DATABASE_URL`, `NATS_WORKER` (access as JSON), `BENCH_RULES` and `BENCH_AGENT` say with what, and
 * `SIGNALBOX_VERSION` what it is.
 */
import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";
import pino from "pino";
import type { NatsAccess } from "../../runtime/core/stack.ts";
import { startWorker } from "../../runtime/platform/worker-process.ts";
import { benchProject } from "./bench-project.ts";
import { serve } from "../bench/engine/serve.ts";

const { DATABASE_URL = "", NATS_WORKER = "", BENCH_RULES = "", BENCH_AGENT = "", SIGNALBOX_VERSION = "" } = process.env;

const worker = await startWorker({
  config: benchProject(pathToFileURL(BENCH_RULES)),
  databaseUrl: DATABASE_URL,
  nats: JSON.parse(NATS_WORKER) as NatsAccess,
  log: pino({ level: "warn" }, pino.destination(2)),
});

serve({
  versions: { signalbox: SIGNALBOX_VERSION },
  async run() {
    const { end } = await worker.runs.run({
      agent: BENCH_AGENT,
      input: { id: randomUUID(), log: [] },
      startedBy: { kind: "service", id: "bench" },
    });
    if (end.type !== "run_finished") throw new Error(`The run ended otherwise: ${JSON.stringify(end.data)}`);
  },
  close: () => worker.close(),
});
