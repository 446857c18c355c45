/**
 * How long a run of many supersteps takes to wake in a fresh process: `npm run bench:long -- [--supersteps N] [--json]`.
 * A run makes so many supersteps, each with a recorded call and 100 bytes for an append channel, on a Postgres of the
 * benchmark's own, and parks before a payment. Then a new process takes it up, with its snapshot and with all
 * snapshots deleted, and the time is taken from the claim until the node that waits runs again; and so does a worker as
 * it is shipped, of which the time is taken from the start of its process (`workerMs`). The last line is
 * `{supersteps, events, wakeMs, wakeWithoutMs, workerMs, workerWithoutMs, eventsRead, nodesRun, bytesAt50, bytesAtEnd, eventsTableBytes,
 * snapshotsTableBytes, stepMs, stepWithoutMs}`; `nodesRun` is one where the fast-forward runs no node again.
 */
import { fork, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { on, once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Attempt } from "../../runtime/engine/attempt.ts";
import { createSnapshots } from "../../runtime/journal/snapshots.ts";
import { administer, withDatabase } from "../support/administer.ts";
import { TestEngine } from "../support/engine.ts";
import { MAIN } from "../support/cli.ts";
import { claimant, openJournal } from "../support/journal.ts";
import { bytesPerSuperstep, holdThePayment, longAgent, RUNS_AGAIN } from "../support/long-run.ts";
import { startTestServers, urlOfNats, type TestServers } from "../support/servers.ts";

const { values } = parseArgs({
  options: {
    supersteps: { type: "string", default: "5000" },
    json: { type: "boolean", default: false },
    /** For the processes that wake a run. */
    wake: { type: "string" },
    database: { type: "string" },
  },
});
const supersteps = Number(values.supersteps);

interface Woken {
  readonly wakeMs: number;
  readonly eventsRead: number;
  readonly nodesRun: number;
}

if (values.wake !== undefined && values.database !== undefined)
  process.send?.(await wake(values.wake, values.database));
else await bench();

/** Takes up a run that waits, in this fresh process. */
async function wake(run: string, url: string): Promise<Woken> {
  await using stored = openJournal(url);
  const { journal, database } = stored;
  let eventsRead = 0;
  const snapshots = createSnapshots(database);
  const read = journal.read.bind(journal);
  journal.read = async (of, after) => {
    const events = await read(of, after);
    eventsRead += events.length;
    return events;
  };
  const engine = new TestEngine({
    journal,
    snapshots: {
      ...snapshots,
      newest: async (head) => {
        const found = await snapshots.newest(head);
        if (found.kind === "kept") eventsRead += found.snapshot.events.length + 1;
        return found;
      },
    },
    say: holdThePayment,
  });
  let nodesRun = 0;
  let ranMs = 0;
  const compiled = engine.compile(
    longAgent(supersteps, () => {
      nodesRun++;
      ranMs = performance.now();
    }),
  );
  const startedMs = performance.now();
  const [claim] = await journal.claim([run], { ...claimant("wake"), versions: new Map([["long", "1"]]) });
  if (!claim) throw new Error("The run cannot be claimed.");
  const attempt = await Attempt.open(claim, engine.services, compiled);
  const status = await attempt.run(compiled);
  if (status !== "parked") throw new Error(`The run is ${status}, not parked.`);
  return { wakeMs: ranMs - startedMs, eventsRead, nodesRun };
}

async function inFreshProcess(run: string, url: string): Promise<Woken> {
  const child = fork(process.argv[1] ?? "", [
    ...["--supersteps", String(supersteps), "--wake", run, "--database", url],
  ]);
  const exited = once(child, "exit");
  const message = await Promise.race([once(child, "message"), exited.then(() => null)]);
  await exited;
  if (!message) throw new Error("The process that was to wake the run ended early.");
  return message[0] as Woken;
}

/** Milliseconds from the start of a worker's process until the node that waits runs in it. */
async function inWorker(url: string, { nats }: TestServers["context"]): Promise<number> {
  const startedMs = performance.now();
  const config = fileURLToPath(new URL("../support/long-project.ts", import.meta.url));
  const worker = spawn(process.execPath, [MAIN, "worker", "--config", config], {
    env: {
      PATH: process.env["PATH"],
      DATABASE_URL: url,
      NATS_URL: urlOfNats(nats.worker),
      LONG_SUPERSTEPS: String(supersteps),
      LOG_LEVEL: "warn",
    },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const exited = once(worker, "exit");
  // It also says when it takes runs.
  const runs = (async () => {
    for await (const [message] of on(worker, "message")) if (message === RUNS_AGAIN) return true;
    return false;
  })();
  const there = await Promise.race([runs, exited.then(() => false)]);
  const ms = performance.now() - startedMs;
  if (!there) throw new Error("The worker ended early.");
  worker.kill();
  await exited;
  return ms;
}

async function bench(): Promise<void> {
  const servers = await startTestServers();
  try {
    const { databaseUrl, template } = servers.context;
    const name = `${template}_long`;
    await administer(databaseUrl, `create database ${name} template ${template}`);
    const url = withDatabase(databaseUrl, name);
    await using stored = openJournal(url);
    const { journal, database } = stored;
    const snapshots = createSnapshots(database);
    const make = async (snapshotEvery?: number): Promise<{ run: string; stepMs: number }> => {
      const limits = snapshotEvery === undefined ? {} : { snapshotEvery };
      const engine = new TestEngine({ journal, snapshots, say: holdThePayment, limits });
      const agent = longAgent(supersteps);
      const compiled = engine.compile(agent);
      const run = await engine.create(agent, { n: 0 }, { run: randomUUID() });
      const startedMs = performance.now();
      const status = await engine.attempt(compiled, run);
      if (status !== "parked") throw new Error(`The run is ${status}, not parked.`);
      return { run, stepMs: (performance.now() - startedMs) / supersteps };
    };
    const sizes = async (): Promise<{ events: number; snapshots: number }> => {
      const [row] = await database.query<{ events: number; snapshots: number }>(
        "select pg_total_relation_size('events')::float8 as events, pg_total_relation_size('snapshots')::float8 as snapshots",
      );
      return row ?? { events: 0, snapshots: 0 };
    };
    const without = await make(Infinity);
    const before = await sizes();
    const { run, stepMs } = await make();
    const after = await sizes();
    const events = await journal.read(run);
    const bytes = bytesPerSuperstep(events);
    // As a message would.
    const rouse = async (): Promise<void> => {
      await database.query("update runs set status = 'ready', ready_at = clock_timestamp() where run_id = $1", [run]);
    };
    await rouse();
    const withSnapshot = await inFreshProcess(run, url);
    await rouse();
    const workerMs = await inWorker(url, servers.context);
    await database.query("delete from snapshots");
    await rouse();
    const withoutSnapshot = await inFreshProcess(run, url);
    // Whoever wakes a run without one makes one.
    await database.query("delete from snapshots");
    await rouse();
    const workerWithoutMs = await inWorker(url, servers.context);
    const report = {
      supersteps,
      events: events.length,
      wakeMs: round(withSnapshot.wakeMs),
      wakeWithoutMs: round(withoutSnapshot.wakeMs),
      workerMs: round(workerMs),
      workerWithoutMs: round(workerWithoutMs),
      eventsRead: withSnapshot.eventsRead,
      nodesRun: withSnapshot.nodesRun,
      bytesAt50: mean(bytes.slice(50, 60)),
      bytesAtEnd: mean(bytes.slice(-11, -1)),
      eventsTableBytes: after.events - before.events,
      snapshotsTableBytes: after.snapshots,
      stepMs: round(stepMs),
      stepWithoutMs: round(without.stepMs),
    };
    if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else
      for (const [what, figure] of Object.entries(report))
        process.stdout.write(`${what.padEnd(22)}${String(figure)}\n`);
  } finally {
    await servers.close();
  }
}

function mean(figures: readonly number[]): number {
  return Math.round(figures.reduce((sum, figure) => sum + figure, 0) / figures.length);
}

function round(figure: number): number {
  return Math.round(figure * 100) / 100;
}
