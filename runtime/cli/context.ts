import { resolve } from "node:path";
import type { Command } from "commander";
import pino, { type Logger } from "pino";
import { NatsBus } from "../bus/nats-bus.ts";
import type { SignalboxConfig } from "../config.ts";
import { systemClock } from "../core/clock.ts";
import type { ConsoleServices } from "../core/console-services.ts";
import type { Database } from "../core/database.ts";
import { NotSignedInError, SignalboxError } from "../core/errors.ts";
import type { Principal } from "../core/people.ts";
import { openConnection, openDatabase } from "../journal/database.ts";
import { PostgresJournal } from "../journal/journal.ts";
import { checkMigrated } from "../journal/migrate.ts";
import { JournalWriter } from "../journal/writer.ts";
import { createPeople, type People } from "../people/index.ts";
import { createServices } from "../platform/console-services.ts";
import { findRunningStack, startStack, type StackAccess } from "../stack/index.ts";
import { findConfig, loadConfig } from "./load-config.ts";

/** Options that every command has. */
export interface GlobalOptions {
  readonly config?: string;
  readonly data: string;
  readonly json?: boolean;
}

export function globalOptions(command: Command): GlobalOptions {
  const options = command.optsWithGlobals<{ config?: string; data?: string; json?: boolean }>();
  return {
    ...options,
    data: resolve(options.data ?? process.env["SIGNALBOX_DATA"] ?? ".signalbox"),
  };
}

/** Nothing is running that this command could talk to. */
export class NotRunningError extends SignalboxError {
  static override readonly code = "NOT_RUNNING";
  static override readonly disposition = "wait";
}

/**
 * The servers that commands work with, see {@link findStack}, with this release's tables in the database.
 *
 * @throws also `SchemaMismatchError` if the database has not been migrated.
 */
export async function runningStack(options: GlobalOptions): Promise<StackAccess> {
  const stack = await findStack(options);
  await checkMigrated(stack.databaseUrl);
  return stack;
}

/**
 * The servers that are named in the environment, or those of a `signalbox dev` on the same data folder.
 *
 * @throws {@link NotRunningError}, and what `startStack` says of named servers.
 */
export async function findStack(options: GlobalOptions): Promise<StackAccess> {
  const databaseUrl = process.env["DATABASE_URL"];
  const natsUrl = process.env["NATS_URL"];
  if (databaseUrl && natsUrl) {
    const stack = await startStack({ dataDir: options.data, open: openConnection, databaseUrl, natsUrl });
    return { databaseUrl: stack.databaseUrl, nats: stack.nats };
  }
  const running = await findRunningStack(options.data);
  if (running) return running;
  throw new NotRunningError(
    `Nothing runs on the data folder ${options.data}. Start it with "npx signalbox dev" (or npm start), or name servers with DATABASE_URL and NATS_URL.`,
    { details: { dataDir: options.data } },
  );
}

/** What a command that reads or decides works with. */
export interface Session extends AsyncDisposable {
  readonly database: Database;
  readonly services: ConsoleServices;
  readonly people: People;
  /** Tells workers that a run is ready. */
  wake(agent: string, run: string): void;
}

/** Connects to what is running. The configuration is loaded only where a command needs it. */
export async function connect(options: GlobalOptions, config?: SignalboxConfig): Promise<Session> {
  const stack = await runningStack(options);
  const database = openDatabase({ url: stack.databaseUrl, applicationName: "signalbox-cli", max: 4 });
  const bus = await NatsBus.connect({ access: stack.nats.console, name: "signalbox-cli", role: "console" });
  const writer = new JournalWriter({ url: stack.databaseUrl, clock: systemClock });
  const journal = new PostgresJournal({ database, writer, clock: systemClock });
  const none: SignalboxConfig = { agents: [], rules: [], pools: {}, limits: {}, models: {}, samples: [] };
  return {
    database,
    services: createServices({ database, journal, bus, config: config ?? none }),
    people: createPeople({ database }),
    wake: (agent, run) => {
      bus.wake(agent, [run]);
    },
    async [Symbol.asyncDispose]() {
      await writer.close();
      await bus.close();
      await database.end();
    },
  };
}

export async function configOf(options: GlobalOptions): Promise<{ path: string; config: SignalboxConfig }> {
  const path = findConfig(options.config);
  return { path, config: await loadConfig(path) };
}

/**
 * The person that SIGNALBOX_TOKEN vouches for.
 *
 * @throws {@link NotSignedInError} if it is not set or no longer valid.
 */
export async function signedIn(people: People): Promise<Principal> {
  const secret = process.env["SIGNALBOX_TOKEN"];
  if (!secret) {
    throw new NotSignedInError(
      'Who does this goes on record, so it needs a token in SIGNALBOX_TOKEN. Make yourself one once with "npx signalbox users token YOUR-NAME --name cli --expires 30d"; "npx signalbox users add YOUR-NAME --role operator" comes before it for whoever is new.',
    );
  }
  return people.authenticate({ kind: "bearer", secret });
}

/** The log of a long-running command: JSON lines on standard error. */
export function createLog(level = process.env["LOG_LEVEL"] ?? "info"): Logger {
  return pino({ level }, pino.destination({ dest: 2, sync: true }));
}

/**
 * A promise that an agent's or a tool's code left unwatched must not end a process in which other runs are
 * under way: the record of each is safe either way. It is reported, because it is an error in that code.
 */
export function surviveStrayRejections(log: Logger): void {
  process.on("unhandledRejection", (error) => {
    log.error({ err: error }, "A promise was rejected and nobody watched it: an await is missing in an agent or tool.");
  });
}
