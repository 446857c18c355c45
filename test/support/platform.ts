import pino from "pino";
import { decide } from "../../runtime/approvals/decide.ts";
import { resolveDoubt, type DoubtResolution } from "../../runtime/approvals/doubts.ts";
import { NatsBus } from "../../runtime/bus/nats-bus.ts";
import { systemClock } from "../../runtime/core/clock.ts";
import type { Database } from "../../runtime/core/database.ts";
import type { EventType, JournalEvent, RunStatus } from "../../runtime/core/events.ts";
import type { Principal } from "../../runtime/core/people.ts";
import type { SignalboxConfig } from "../../runtime/config.ts";
import { openDatabase } from "../../runtime/journal/database.ts";
import { deliverIn } from "../../runtime/journal/deliver.ts";
import { PostgresJournal } from "../../runtime/journal/journal.ts";
import { JournalWriter } from "../../runtime/journal/writer.ts";
import { startRun } from "../../runtime/platform/start-run.ts";
import { startWorker, type RunningWorker, type WorkerProcessOptions } from "../../runtime/platform/worker-process.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { startTestNats, type TestNats } from "./nats.ts";

/** A database, a NATS server and what a test needs to start runs and to look at them. Workers are started one by one. */
export interface TestPlatform extends AsyncDisposable {
  readonly database: Database;
  readonly databaseUrl: string;
  readonly nats: TestNats;
  readonly journal: PostgresJournal;
  worker(config: SignalboxConfig, options?: Partial<WorkerProcessOptions>): Promise<RunningWorker>;
  start(config: SignalboxConfig, agent: string, input: unknown, key?: string): Promise<string>;
  /** Waits until the run has this status, and gives its events. */
  reach(run: string, status: RunStatus): Promise<readonly JournalEvent[]>;
  /** The pending approvals of a run. */
  pending(run: string): Promise<{ approval: string; argsHash: string; tool: string; input: string }[]>;
  /** The pending approvals of all runs of a session. */
  pendingOf(session: string): Promise<{ approval: string; argsHash: string; tool: string; input: string }[]>;
  /** Decides as a member of every pool who started nothing. */
  decide(
    approval: { approval: string; argsHash: string },
    decision: "approve" | "reject",
    reason?: string,
  ): Promise<void>;
  resolve(resolution: DoubtResolution): Promise<void>;
}

export const OLGA: Principal = { name: "olga", kind: "person", roles: ["operator"], pools: ["finance", "adjusters"] };

export async function startTestPlatform(): Promise<TestPlatform> {
  const nats = await startTestNats();
  const testDatabase: TestDatabase = await createTestDatabase();
  const database = openDatabase({ url: testDatabase.url });
  const writer = new JournalWriter({ url: testDatabase.url, clock: systemClock });
  const journal = new PostgresJournal({ database, writer, clock: systemClock });
  const bus = await NatsBus.connect({ access: nats.access, name: "test", role: "console" });
  const workers: RunningWorker[] = [];
  const wake = (woken: { run: string; agent: string } | null): void => {
    if (woken) bus.wake(woken.agent, [woken.run]);
  };
  return {
    database,
    databaseUrl: testDatabase.url,
    nats,
    journal,
    async worker(config, options) {
      const worker = await startWorker({
        config,
        databaseUrl: testDatabase.url,
        nats: nats.access,
        log: pino({ level: process.env["TEST_LOG"] ?? "silent" }),
        sweepMs: 100,
        ...options,
      });
      workers.push(worker);
      return worker;
    },
    async start(config, agent, input, key) {
      const startedBy = { kind: "person", id: "ada" } as const;
      return (await startRun({ journal, bus, config }, { agent, input, startedBy, key })).run;
    },
    async reach(run, status) {
      const deadline = Date.now() + 20_000;
      for (;;) {
        const [row] = await database.query<{ status: RunStatus }>("select status from runs where run_id = $1", [run]);
        if (row?.status === status) return journal.read(run);
        if (Date.now() > deadline) {
          const events = await journal.read(run);
          throw new Error(
            `The run is ${row?.status ?? "missing"}, not ${status}:\n${events.map((event) => `${event.type} ${JSON.stringify(event.data).slice(0, 300)}`).join("\n")}`,
          );
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    pending: (run) =>
      database.query(
        `select approval_id as approval, args_hash as "argsHash", tool, input from approvals
         where run_id = $1 and status = 'pending' order by requested_at, approval_id`,
        [run],
      ),
    pendingOf: (session) =>
      database.query(
        `select approval_id as approval, args_hash as "argsHash", tool, input from approvals
         where session_id = $1 and status = 'pending' order by requested_at, approval_id`,
        [session],
      ),
    async decide({ approval, argsHash }, decision, reason = decision === "reject" ? "No." : "") {
      wake(await decide({ database, deliver: deliverIn }, OLGA, { approval, argsHash, decision, reason }));
    },
    async resolve(resolution) {
      wake(await resolveDoubt({ database, deliver: deliverIn }, OLGA, resolution));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.close()));
      await bus.close();
      await writer.close();
      await database.end();
      await testDatabase[Symbol.asyncDispose]();
      await nats[Symbol.asyncDispose]();
    },
  };
}

/** The types of a run's events, without the attempts and supersteps between them. */
export function types(events: readonly JournalEvent[]): EventType[] {
  return events.map((event) => event.type).filter((type) => type !== "superstep_finished");
}
