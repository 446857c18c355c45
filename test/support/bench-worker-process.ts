/**
 * Signalbox as a contestant: a worker as it is shipped, in a process that also starts the runs and waits for their ends.
 * `DATABASE_URL`, `NATS_WORKER`, `NATS_CONSOLE` (access as JSON), `BENCH_RULES` and `BENCH_AGENT` say with what, and
 * `SIGNALBOX_VERSION` what it is.
 */
import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";
import pino from "pino";
import { NatsBus } from "../../runtime/bus/nats-bus.ts";
import type { NatsAccess } from "../../runtime/core/stack.ts";
import { systemClock } from "../../runtime/core/clock.ts";
import { openDatabase } from "../../runtime/journal/database.ts";
import { PostgresJournal } from "../../runtime/journal/journal.ts";
import { JournalWriter } from "../../runtime/journal/writer.ts";
import { startRun } from "../../runtime/platform/start-run.ts";
import { startWorker } from "../../runtime/platform/worker-process.ts";
import { benchProject } from "./bench-project.ts";
import { serve } from "../bench/engine/serve.ts";

const { DATABASE_URL = "", BENCH_RULES = "", BENCH_AGENT = "", SIGNALBOX_VERSION = "" } = process.env;
const config = benchProject(pathToFileURL(BENCH_RULES));
const accessOf = (name: string): NatsAccess => JSON.parse(process.env[name] ?? "") as NatsAccess;

const worker = await startWorker({
  config,
  databaseUrl: DATABASE_URL,
  nats: accessOf("NATS_WORKER"),
  log: pino({ level: "warn" }, pino.destination(2)),
});
const database = openDatabase({ url: DATABASE_URL, applicationName: "signalbox-bench" });
const writer = new JournalWriter({ url: DATABASE_URL, clock: systemClock });
const journal = new PostgresJournal({ database, writer, clock: systemClock });
const bus = await NatsBus.connect({ access: accessOf("NATS_CONSOLE"), name: "bench", role: "console" });

/** The last event of a run, and who waits for it. */
let last = Infinity;
const waiting = new Map<string, () => void>();
await bus.onLive(({ heads }) => {
  for (const [run, seq] of Object.entries(heads)) {
    if (seq < last) continue;
    waiting.get(run)?.();
    waiting.delete(run);
  }
});

async function start(): Promise<string> {
  const startedBy = { kind: "service", id: "bench" } as const;
  const input = { id: randomUUID(), log: [] };
  const { run } = await startRun({ journal, bus, config }, { agent: BENCH_AGENT, input, startedBy });
  return run;
}

/** A first run says how many events one has: a run's end is told of once it is durable, and only by its number. */
async function eventsOfARun(): Promise<number> {
  const run = await start();
  for (;;) {
    const events = await journal.read(run);
    const end = events.at(-1);
    if (end?.type === "run_finished") return end.seq;
    if (end?.type === "run_failed") throw new Error(`The run failed: ${end.data.error.message}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

last = await eventsOfARun();

serve({
  versions: { signalbox: SIGNALBOX_VERSION },
  async run() {
    const run = await start();
    await new Promise<void>((resolve) => waiting.set(run, resolve));
  },
  async close() {
    await worker.close();
    await bus.close();
    await writer.close();
    await database.end();
  },
});
