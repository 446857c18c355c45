import type { Logger } from "pino";
import type { Sample, SignalboxConfig } from "../config.ts";
import { ENDED_STATUSES } from "../core/events.ts";
import type { Principal } from "../core/people.ts";
import { openConnection } from "../journal/database.ts";
import { migrate } from "../journal/migrate.ts";
import { welcomeLocalOperator, type LocalOperator } from "../people/index.ts";
import { removeDataFolder, startStack, type Stack } from "../stack/index.ts";
import { Closers } from "./closers.ts";
import { startConsole, type RunningConsole } from "./console-process.ts";
import { startWorkerChild, type WorkerChild } from "./worker-child.ts";

export interface DevOptions {
  readonly config: SignalboxConfig;
  readonly configPath: string;
  /** The CLI's own script, for the worker processes. */
  readonly main: string;
  /** What Node is told for those; by default the same as this process. */
  readonly nodeArgs?: readonly string[];
  readonly dataDir: string;
  readonly databaseUrl?: string | undefined;
  readonly natsUrl?: string | undefined;
  readonly host?: string | undefined;
  readonly port: number;
  readonly workers: number;
  /** Throws away what an earlier start left in the data folder. */
  readonly fresh?: boolean;
  readonly workerArgs?: readonly string[];
  readonly workerEnv?: Readonly<Record<string, string>>;
  readonly log: Logger;
  readonly report?: (step: string) => void;
}

/** Everything on one machine: servers, console, workers. Closing it stops them all. */
export interface Dev extends AsyncDisposable {
  readonly stack: Stack;
  readonly console: RunningConsole;
  readonly workers: readonly WorkerChild[];
  /** Null where the operators are other people. */
  readonly operator: LocalOperator | null;
  /** Starts the configuration's samples, each run once ever; resolves when all are started. */
  startSamples(): Promise<{ readonly started: number; readonly sessions: readonly string[] }>;
  close(): Promise<void>;
}

/** Starts the whole platform for one machine. What had started is stopped again if something does not. */
export async function startDev(options: DevOptions): Promise<Dev> {
  const closers = new Closers();
  const close = (): Promise<void> => closers.close();
  try {
    if (options.fresh === true) await removeDataFolder(options.dataDir);
    const stack = await startStack({
      dataDir: options.dataDir,
      open: openConnection,
      databaseUrl: options.databaseUrl,
      natsUrl: options.natsUrl,
      report: options.report,
      onLost: (error) => {
        options.log.error({ err: error }, "A private server is gone.");
      },
    });
    closers.add(() => stack.close());
    options.report?.("Preparing the database");
    await migrate(stack.databaseUrl);
    const console = await startConsole({
      config: options.config,
      databaseUrl: stack.databaseUrl,
      nats: stack.nats.console,
      log: options.log,
      port: options.port,
      ...(options.host === undefined ? {} : { host: options.host }),
    });
    closers.add(() => console.close());
    options.report?.("Starting the workers");
    const workers = await Promise.all(
      Array.from({ length: options.workers }, () =>
        startWorkerChild({
          main: options.main,
          nodeArgs: options.nodeArgs,
          configPath: options.configPath,
          dataDir: options.dataDir,
          args: options.workerArgs ?? [],
          env: options.workerEnv ?? {},
          onDeath: ({ code, signal, againInMs, log, said }) => {
            const how = signal === null ? `with the code ${String(code)}` : `by ${signal}`;
            options.log.warn(
              { log },
              `A worker ended ${how}; it is started again in ${String(againInMs)} ms.${said === null ? "" : ` It said: ${said}`}`,
            );
          },
        }),
      ),
    );
    closers.add(async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
    });
    const pools = Object.keys(options.config.pools);
    const operator = await welcomeLocalOperator({ people: console.people, url: console.url, pools });
    return {
      stack,
      console,
      workers,
      operator,
      startSamples: () => startSamples(console, options.config.samples),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

async function startSamples(
  console: RunningConsole,
  samples: readonly Sample[],
): Promise<{ readonly started: number; readonly sessions: readonly string[] }> {
  const sessions: string[] = [];
  let started = 0;
  for (const [i, sample] of samples.entries()) {
    const service = await serviceAccount(console, sample.startedBy);
    const batch: string[] = [];
    for (const { key, input } of sample.runs) {
      const { session, created } = await console.services.startRun(service, { agent: sample.agent, input, key });
      batch.push(session.session);
      if (created) started++;
    }
    sessions.push(...batch);
    // What comes after may build on it: memory that is filled first, for example.
    if (i < samples.length - 1) await untilEnded(console, batch);
  }
  return { started, sessions };
}

async function serviceAccount(console: RunningConsole, name: string): Promise<Principal> {
  const known = (await console.people.listUsers()).find((user) => user.name === name);
  const user = known ?? (await console.people.addUser({ name, kind: "service", roles: [] }));
  // Whoever starts Signalbox starts its samples, whatever that account may do by itself.
  return { name: user.name, kind: user.kind, roles: ["operator"], pools: [] };
}

async function untilEnded(console: RunningConsole, sessions: readonly string[]): Promise<void> {
  for (;;) {
    const summaries = await console.services.sessionSummaries(sessions);
    if (summaries.every((summary) => ENDED_STATUSES.includes(summary.status))) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
