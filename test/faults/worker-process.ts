/**
 * Run as a process of its own, to be killed: a worker of the fault cases. It loads everything, prints `loaded`, and
 * waits for a line of JSON (WorkerOrders) that tells it to start; then it prints `ready`. Each further line sets its
 * clock, or has it run an agent as a service does that it is a part of: what came of that it prints. SIGTERM drains it, a second SIGTERM ends it at once; it also ends when its standard input does.
 */
import { createInterface } from "node:readline";
import type { Logger } from "pino";
import type { Take } from "../../runtime/core/journal.ts";
import type { FaultAgent } from "./agents.ts";

export interface WorkerOrders {
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly bank: number;
  /** The folder of the rules. */
  readonly rules: string;
  readonly drainMs: number;
  readonly leaseMs: number;
  /** Which runs it takes with regard to crashes, and how many at once. */
  readonly take: Take;
  readonly slots: number;
  /** The names of the agents that it has. */
  readonly agents: readonly FaultAgent[];
  /** How far this process's clock is off. */
  readonly clockMs: number;
}

/** A line for a worker that runs. */
export type WorkerLine =
  { readonly clockMs: number } | { readonly run: { readonly agent: FaultAgent; readonly id: string } };

/** What a worker prints of a run that it was told to make, once that has ended. */
export interface Ran {
  readonly id: string;
  readonly run: string;
  readonly end: string;
}

// Before anything else is loaded, so that nothing keeps the real clock.
const RealDate = Date;
let offsetMs = 0;
const now = (): number => RealDate.now() + offsetMs;
globalThis.Date = new Proxy(RealDate, {
  construct: (real, given: unknown[]) => Reflect.construct(real, given.length > 0 ? given : [now()]) as Date,
  get: (real, name) => (name === "now" ? now : (Reflect.get(real, name) as unknown)),
});

/** Only who wants to read a log waits for its library. */
async function openLog(): Promise<Logger> {
  const level = process.env["FAULTS_LOG"];
  if (level === undefined) return { warn: () => undefined, info: () => undefined } as unknown as Logger;
  const { default: pino } = await import("pino");
  return pino({ level }, pino.destination(2));
}

/** A function, because a script whose code is kept compiled cannot wait at its top. */
async function main(): Promise<void> {
  const { startWorker } = await import("../../runtime/platform/worker-process.ts");
  const { faultProject } = await import("./agents.ts");

  const log = await openLog();
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  console.log("loaded");
  const first = await lines.next();
  if (first.done) return;
  const orders = JSON.parse(first.value) as WorkerOrders;
  offsetMs = orders.clockMs;
  const worker = await startWorker({
    config: faultProject(new URL(orders.rules), orders.bank, orders.agents),
    databaseUrl: orders.databaseUrl,
    nats: { servers: [orders.natsUrl] },
    log,
    take: orders.take,
    slots: orders.slots,
    // Sooner than usual, so that a run of a seed lives to see some.
    limits: { leaseMs: orders.leaseMs, snapshotEvery: 25, storeSnapshotEveryMs: 0 },
    sweepMs: 150,
    drainMs: orders.drainMs,
  });
  const signals: NodeJS.Signals[] = [];
  process.on("SIGTERM", (signal) => {
    signals.push(signal);
    if (signals.length > 1) process.exit(143);
    void worker.close().then(() => process.exit(0));
  });
  console.log("ready");
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const told = JSON.parse(line.value) as WorkerLine;
    if ("clockMs" in told) {
      offsetMs = told.clockMs;
      continue;
    }
    const { agent, id } = told.run;
    const startedBy = { kind: "service", id: "shop" } as const;
    // One that is not told of its end says nothing: so does one that was killed.
    void worker.runs.run({ agent, input: { id }, startedBy }).then(
      ({ run, end }) => {
        console.log(JSON.stringify({ id, run, end: end.type } satisfies Ran));
      },
      () => undefined,
    );
  }
  // Nobody is there any more who would stop it.
  if (signals.length === 0) process.exit(0);
}

void main();
