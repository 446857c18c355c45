import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { createMemoryStore, hashEmbedder } from "../../memory/index.ts";
import { NatsBus } from "../bus/nats-bus.ts";
import type { Bus } from "../core/bus.ts";
import { canonicalJson } from "../core/canonical.ts";
import { systemClock } from "../core/clock.ts";
import { SignalboxError } from "../core/errors.ts";
import type { Database } from "../core/database.ts";
import type { Housekeeping } from "../core/housekeeping.ts";
import type { Judge } from "../core/judge.ts";
import type { RunHead, Take } from "../core/journal.ts";
import type { NatsAccess } from "../core/stack.ts";
import { ruleSetSource, type ProjectLimits, type SignalboxConfig } from "../config.ts";
import { DEFAULT_LIMITS, type Limits } from "../engine/attempt-services.ts";
import { compileAgent, type CompiledAgent } from "../engine/compile-agent.ts";
import type { HandleServices } from "../engine/handles.ts";
import { Mailer } from "../engine/mailer.ts";
import { Worker } from "../engine/worker.ts";
import { openDatabase } from "../journal/database.ts";
import { DatabaseClock } from "../journal/database-clock.ts";
import { createHousekeeping } from "../journal/housekeeping.ts";
import { PostgresJournal } from "../journal/journal.ts";
import { createMessages } from "../journal/messages.ts";
import { endsOf } from "../journal/run-ends.ts";
import { createSnapshots } from "../journal/snapshots.ts";
import { createTurns } from "../journal/turns.ts";
import { JournalWriter } from "../journal/writer.ts";
import { readRuleSet } from "../rules/index.ts";
import { Closers } from "./closers.ts";
import { OwnRuns } from "./own-runs.ts";
import { RunEnds } from "./run-ends.ts";

export interface WorkerProcessOptions {
  readonly config: SignalboxConfig;
  readonly databaseUrl: string;
  readonly nats: NatsAccess;
  readonly log: Logger;
  /** How many runs may be under way at once. Default 20. */
  readonly slots?: number;
  readonly limits?: Partial<Limits>;
  /** How often it looks for what nobody told it of. Default 500 ms. */
  readonly sweepMs?: number;
  /** How long what is under way may take after a stop. Default 10,000 ms. */
  readonly drainMs?: number;
  /** Which runs it takes with regard to crashes. Default: all. */
  readonly take?: Take;
  /** Told that runs wait which only a worker that takes suspects may have. */
  readonly onSuspects?: () => void;
}

/**
 * How many connections a worker has for what its runs do. What its life depends on, the leases, has one of its own:
 * behind statements that wait for a row it would come too late.
 */
const CONNECTIONS = 9;

/** A worker that runs. Closing it drains it. */
export interface RunningWorker extends AsyncDisposable {
  readonly id: string;
  readonly worker: Worker;
  /** Starts runs in this process. */
  readonly runs: OwnRuns;
  close(): Promise<void>;
}

/**
 * Puts a worker together and starts it.
 *
 * @throws `RulesInvalidError` if the rules do not load, `UnsupportedGraphError` if an agent cannot be governed,
 *   `DatabaseUnavailableError` and `BusUnavailableError` if a server is out of reach.
 */
export async function startWorker(options: WorkerProcessOptions): Promise<RunningWorker> {
  const closers = new Closers();
  try {
    return await start(options, closers);
  } catch (error) {
    // A worker that did not start must not stay half alive: it would keep its process, and take work.
    await closers.close().catch(() => undefined);
    throw error;
  }
}

async function start(options: WorkerProcessOptions, closers: Closers): Promise<RunningWorker> {
  const { config, databaseUrl, log } = options;
  // Tells an operator which process it is.
  const id = `worker-${String(process.pid)}-${randomUUID().slice(0, 8)}`;
  const limits: Limits = { ...DEFAULT_LIMITS, ...given(config.limits), ...options.limits };
  const database = openDatabase({ url: databaseUrl, applicationName: "signalbox-worker", max: CONNECTIONS });
  closers.add(() => database.end());
  const heartbeat = openDatabase({ url: databaseUrl, applicationName: "signalbox-worker", max: 1 });
  closers.add(() => heartbeat.end());
  const housekeeping = createHousekeeping(database, heartbeat);
  const judge = await openJudge(config, housekeeping);
  const clock = await DatabaseClock.start(database, systemClock);
  closers.add(() => {
    clock[Symbol.dispose]();
    return Promise.resolve();
  });
  const bus = await NatsBus.connect({
    access: options.nats,
    name: id,
    role: "worker",
    onTrouble: (what, error) => {
      log.warn({ err: error }, `NATS: ${what}`);
    },
  });
  closers.add(() => bus.close());
  const agents = compileAgents(config, database, bus, log);
  const live = announcer((session, heads) => {
    bus.live({ session, heads });
  });
  const writer = new JournalWriter({ url: databaseUrl, clock, onCommitted: live });
  closers.add(() => writer.close());
  const journal = new PostgresJournal({ database, heartbeat, writer, clock });
  const mailer = new Mailer({
    worker: id,
    bus,
    keys: (worker) => housekeeping.workerKey(worker),
    onSendError: (error) => {
      log.warn({ err: error }, "A message was not sent; it will be sent again.");
    },
  });
  const ends = new RunEnds({ endsOf: (runs) => endsOf(database, runs), isHere: (run) => worker.has(run) });
  closers.add(() => {
    ends.close();
    return Promise.resolve();
  });
  const worker: Worker = new Worker({
    journal,
    judge,
    mailer,
    bus,
    housekeeping,
    turns: createTurns(database, (agent, runs) => {
      bus.wake(agent, runs);
    }),
    messages: createMessages({ database, clock, budget: limits.maxMessages }),
    snapshots: createSnapshots(database),
    agents,
    take: options.take ?? "all",
    onEnded: (run, last) => {
      ends.ended(run, last);
    },
    ...(options.onSuspects ? { onSuspects: options.onSuspects } : {}),
    clock,
    worker: id,
    limits,
    slots: options.slots ?? 20,
    sweepMs: options.sweepMs ?? 500,
    onTrouble: (what, error, details) => {
      log.warn({ ...details, error }, what);
    },
    onNodeFailed: (error, details) => {
      // A refusal or a schema's word says all itself; of anything else the developer needs the place.
      if (error instanceof SignalboxError)
        log.info({ ...details, code: error.code }, `A node failed: ${error.message}`);
      else log.warn({ ...details, err: error }, "A node failed.");
    },
  });
  closers.add(() => worker.stop(options.drainMs ?? 10_000));
  await worker.start();
  const close = (): Promise<void> => closers.close();
  const runs = new OwnRuns({ config, journal, bus, worker, ends });
  return { id, worker, runs, close, [Symbol.asyncDispose]: close };
}

/** Every worker of a project has the same rules: the first that is started checks them for the others. */
async function openJudge(config: SignalboxConfig, housekeeping: Housekeeping): Promise<Judge> {
  const read = readRuleSet(await ruleSetSource(config));
  const checked = await housekeeping.hasRuleSet(read.hash);
  const judge = read.compile(checked);
  if (!checked) await housekeeping.keepRuleSet(judge.ruleSet, canonicalJson(judge.content));
  return judge;
}

function compileAgents(config: SignalboxConfig, database: Database, bus: Bus, log: Logger): Map<string, CompiledAgent> {
  const services: HandleServices = {
    memory: createMemoryStore({ database, embedder: hashEmbedder }),
    models: new Map(Object.entries(config.models)),
    tokens: (frame) => {
      bus.tokens(frame);
    },
    log: (level, message, fields) => {
      if (level === "warn") log.warn(fields, message);
      else log.info(fields, message);
    },
  };
  return new Map(config.agents.map((agent) => [agent.name, compileAgent(agent, services)]));
}

/** Tells of committed heads once a turn of the event loop and session, however many commits there were. */
function announcer(
  announce: (session: string, heads: Record<string, number>) => void,
): (heads: readonly RunHead[]) => void {
  let sessions = new Map<string, Record<string, number>>();
  return (heads) => {
    if (sessions.size === 0) {
      setImmediate(() => {
        const due = sessions;
        sessions = new Map();
        for (const [session, moved] of due) announce(session, moved);
      });
    }
    for (const head of heads) {
      const moved = sessions.get(head.session) ?? {};
      moved[head.run] = head.seq;
      sessions.set(head.session, moved);
    }
  };
}

/** Without what is undefined, which would take the place of a default. */
function given(limits: ProjectLimits): Partial<Limits> {
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== undefined));
}
