import { fileURLToPath } from "node:url";
import { Option, type Command } from "commander";
import pc from "picocolors";
import { InvalidInputError } from "../../core/errors.ts";
import { openConnection } from "../../journal/database.ts";
import { migrate } from "../../journal/migrate.ts";
import { WORKER_READY } from "../../platform/worker-child.ts";
import { checkPostgres, fetchServers, startStack } from "../../stack/index.ts";
import { wholeNumber } from "../arguments.ts";
import { configOf, createLog, findStack, globalOptions, runningStack, surviveStrayRejections } from "../context.ts";
import { print, progress } from "../output.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url)).replace(
  /\.ts$/,
  import.meta.url.endsWith(".ts") ? ".ts" : ".js",
);
/** How long the process for suspected runs waits for another one before it ends. */
const LANE_IDLE_MS = 5_000;
const LANE_LOOK_MS = 250;

interface WorkerCommandOptions {
  readonly slots: number;
  readonly leaseMs: number;
  readonly drainMs: number;
  readonly withParent?: boolean;
  readonly suspects?: boolean;
}

/**
 * `dev`, `worker`, `console`, `migrate`: what runs and stays. Each loads what it needs when it is called, so
 * that the other commands start quickly.
 */
export function addServerCommands(program: Command): void {
  program
    .command("dev")
    .description("start everything on this machine: servers, console, workers")
    .option("--port <n>", "the console's port on 127.0.0.1", wholeNumber, 4400)
    .option("--workers <n>", "how many worker processes", wholeNumber, 2)
    .option("--fresh", "throw away what an earlier start left in the data folder")
    .option("--no-samples", "do not start the configuration's samples")
    .action(async (options: { port: number; workers: number; fresh?: boolean; samples: boolean }, command: Command) => {
      await dev(options, command);
    });
  program
    .command("worker")
    .description("run agents: one process of any number")
    .option("--slots <n>", "how many runs at once", wholeNumber, 20)
    .option("--lease-ms <n>", "how long a run stays this worker's without a sign of life", wholeNumber, 15_000)
    .option("--drain-ms <n>", "how long what is under way may take after SIGTERM", wholeNumber, 10_000)
    .option("--with-parent", "stop when standard input closes")
    .addOption(new Option("--suspects", "take only runs that may have crashed a worker, one at a time").hideHelp())
    .action(async (options: WorkerCommandOptions, command: Command) => {
      const global = globalOptions(command);
      const { path, config } = await configOf(global);
      const stack = await runningStack(global);
      const log = createLog();
      surviveStrayRejections(log);
      const { startWorker, createSuspectsLane } = await workerPlatform();
      const { leaseMs, drainMs, suspects = false } = options;
      const times = ["--lease-ms", String(leaseMs), "--drain-ms", String(drainMs)];
      const lane = createSuspectsLane({
        main: MAIN,
        args: ["worker", "--config", path, "--data", global.data, ...times],
      });
      const worker = await startWorker({
        config,
        databaseUrl: stack.databaseUrl,
        nats: stack.nats.worker,
        log,
        slots: suspects ? 1 : options.slots,
        limits: { leaseMs },
        drainMs,
        take: suspects ? "suspects" : "sound",
        onSuspects: () => {
          lane.wanted();
        },
      });
      log.info({ worker: worker.id, agents: config.agents.map((agent) => agent.name) }, "The worker is ready.");
      // To the process that started this one, and will start the next. It may be gone.
      process.send?.(WORKER_READY, undefined, undefined, () => undefined);
      const stopped = untilStopped(options.withParent === true);
      await (suspects ? Promise.race([stopped, untilIdle(() => worker.worker.busy > 0)]) : stopped);
      log.info({ worker: worker.id }, "The worker drains.");
      await Promise.all([worker.close(), lane[Symbol.asyncDispose]()]);
      // An open standard input would keep the process alive.
      process.stdin.destroy();
    });
  program
    .command("console")
    .description("serve the console and the HTTP API")
    .option("--host <address>", "the address to listen on", "127.0.0.1")
    .option("--port <n>", "the port to listen on", wholeNumber, 4400)
    .option("--allow-host <name...>", "further names that the console is reached by")
    .action(async (options: { host: string; port: number; allowHost?: string[] }, command: Command) => {
      const global = globalOptions(command);
      const { config } = await configOf(global);
      const stack = await runningStack(global);
      const log = createLog();
      const { startConsole } = await import("../../platform/console-process.ts");
      const console = await startConsole({
        config,
        databaseUrl: stack.databaseUrl,
        nats: stack.nats.console,
        log,
        host: options.host,
        port: options.port,
        ...(options.allowHost ? { allowedHosts: options.allowHost } : {}),
      });
      log.info({ url: console.url }, "The console is ready.");
      await untilStopped(false);
      await console.close();
    });
  program
    .command("migrate")
    .description("bring the database's tables up to this release")
    .action(async (_options: unknown, command: Command) => {
      const global = globalOptions(command);
      const named = process.env["DATABASE_URL"];
      if (named) await checkPostgres(named, openConnection);
      const applied = await migrate(named ? named : (await findStack(global)).databaseUrl);
      print(global.json, { applied }, () =>
        applied.length === 0 ? "The tables are up to date." : `Applied ${applied.join(", ")}.`,
      );
    });
  program
    .command("servers", { hidden: true })
    .description("start the private servers alone, for development of Signalbox itself")
    .action(async (_options: unknown, command: Command) => {
      const { data } = globalOptions(command);
      await using stack = await startStack({ dataDir: data, open: openConnection, report: progress });
      print(true, stack.describe(), () => "");
      await untilStopped(false);
    });
}

async function dev(
  options: { port: number; workers: number; fresh?: boolean; samples: boolean },
  command: Command,
): Promise<void> {
  const global = globalOptions(command);
  if (options.fresh === true && process.env["DATABASE_URL"]) {
    throw new InvalidInputError(
      "--fresh throws away the private servers' data, and DATABASE_URL names a database of your own: nothing was thrown away. Empty that database yourself, or unset DATABASE_URL.",
    );
  }
  const servers = {
    dataDir: global.data,
    databaseUrl: process.env["DATABASE_URL"],
    natsUrl: process.env["NATS_URL"],
    fresh: options.fresh === true,
    report: progress,
  };
  // At a first start both take seconds, and each mostly waits for something else.
  await using fetching = fetchServers(servers);
  const { path, config } = await configOf(global);
  const platform = await devPlatform();
  await fetching.done;
  await using running = await platform.startDev({
    ...servers,
    config,
    configPath: path,
    main: MAIN,
    port: options.port,
    workers: options.workers,
    log: createLog(process.env["LOG_LEVEL"] ?? "warn"),
  });
  const stopped = untilStopped(false);
  const described = running.stack
    .describe()
    .map(({ name, kind, where, version }) => `  ${name.padEnd(10)}${kind}, ${where}, version ${version}`);
  const lines = [
    pc.bold("Signalbox is ready."),
    ...described,
    `  ${"workers".padEnd(10)}${String(running.workers.length)}, log in ${global.data}/logs`,
    `  ${"console".padEnd(10)}${pc.bold(running.console.url)}`,
    ...(running.operator
      ? [
          `  ${"sign in".padEnd(10)}${running.operator.link}`,
          `  ${"".padEnd(10)}${pc.dim("(works once, within ten minutes; start again for a new one)")}`,
        ]
      : []),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  if (options.samples && config.samples.length > 0) {
    const { started } = await Promise.race([running.startSamples(), stopped.then(() => ({ started: 0 }))]);
    if (started > 0)
      process.stdout.write(
        `Started ${String(started)} sample sessions. What waits for you is at ${running.console.url}/inbox\n`,
      );
  }
  process.stdout.write(`${pc.dim("Ctrl-C stops everything; what is recorded stays.")}\n`);
  await stopped;
  process.stdout.write("Stopping.\n");
}

/** Not within a function that has `await using`: there the compiler leaves the path of an import as it is. */
function devPlatform(): Promise<typeof import("../../platform/dev.ts")> {
  return import("../../platform/dev.ts");
}

/** Only when it is needed: it loads LangGraph and Cedar. */
async function workerPlatform() {
  const [{ startWorker }, { createSuspectsLane }] = await Promise.all([
    import("../../platform/worker-process.ts"),
    import("../../platform/suspects-lane.ts"),
  ]);
  return { startWorker, createSuspectsLane };
}

/** Resolves when there has been nothing to do for a while. */
function untilIdle(isBusy: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    let idleMs = 0;
    const timer = setInterval(() => {
      idleMs = isBusy() ? 0 : idleMs + LANE_LOOK_MS;
      if (idleMs < LANE_IDLE_MS) return;
      clearInterval(timer);
      resolve();
    }, LANE_LOOK_MS);
  });
}

/** Resolves at SIGINT or SIGTERM, or when the parent is gone; a second signal ends the process at once. */
function untilStopped(withParent: boolean): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(1);
      asked = true;
      // An open standard input would keep the process alive.
      if (withParent) process.stdin.destroy();
      resolve();
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
    if (withParent) {
      process.stdin.resume();
      process.stdin.once("end", () => {
        if (!asked) stop();
      });
    }
  });
}
