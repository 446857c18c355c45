import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { createConsole, type ConsoleServer } from "../../console/server/index.ts";
import { NatsBus } from "../bus/nats-bus.ts";
import type { SignalboxConfig } from "../config.ts";
import { systemClock } from "../core/clock.ts";
import type { NatsAccess } from "../core/stack.ts";
import { openDatabase } from "../journal/database.ts";
import { PostgresJournal } from "../journal/journal.ts";
import { JournalWriter } from "../journal/writer.ts";
import { createPeople, type People } from "../people/index.ts";
import { createServices } from "./console-services.ts";
import type { ConsoleServices } from "../core/console-services.ts";

export interface ConsoleProcessOptions {
  readonly config: SignalboxConfig;
  readonly databaseUrl: string;
  readonly nats: NatsAccess;
  readonly log: Logger;
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly allowedHosts?: readonly string[];
}

/** A console that listens, and what it stands on. */
export interface RunningConsole extends AsyncDisposable {
  readonly url: string;
  readonly people: People;
  readonly services: ConsoleServices;
  close(): Promise<void>;
}

/**
 * Puts the console together and starts it.
 *
 * @throws `PortInUseError`, `DatabaseUnavailableError`, `BusUnavailableError`
 */
export async function startConsole(options: ConsoleProcessOptions): Promise<RunningConsole> {
  const { databaseUrl, log } = options;
  const database = openDatabase({ url: databaseUrl, applicationName: "signalbox-console" });
  const bus = await NatsBus.connect({
    access: options.nats,
    name: "signalbox-console",
    role: "console",
    onTrouble: (what, error) => {
      log.warn({ err: error }, `NATS: ${what}`);
    },
  });
  const writer = new JournalWriter({ url: databaseUrl, clock: systemClock });
  const journal = new PostgresJournal({ database, writer, clock: systemClock });
  const people = createPeople({ database });
  const services = createServices({ database, journal, bus, config: options.config });
  const shut = async (): Promise<void> => {
    await writer.close();
    await bus.close();
    await database.end();
  };
  let server: ConsoleServer;
  try {
    const webRoot = builtPages();
    server = await createConsole({
      people,
      services,
      bus,
      port: options.port,
      log,
      ...(options.host === undefined ? {} : { host: options.host }),
      ...(options.allowedHosts === undefined ? {} : { allowedHosts: options.allowedHosts }),
      ...(webRoot === null ? {} : { webRoot }),
    });
  } catch (error) {
    await shut();
    throw error;
  }
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      await server.close();
      await shut();
    })());
  return { url: server.url, people, services, close, [Symbol.asyncDispose]: close };
}

/** Where the built pages are: beside the compiled code, or in `dist` when this runs from source. */
function builtPages(): string | null {
  for (const place of ["../../console/web/", "../../dist/console/web/"]) {
    const folder = fileURLToPath(new URL(place, import.meta.url));
    // The source folder has pages too, but unbuilt ones.
    if (existsSync(`${folder}assets`)) return folder;
  }
  return null;
}
