import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsAccess } from "../../runtime/core/stack.ts";
import { openConnection } from "../../runtime/journal/database.ts";
import { migrate } from "../../runtime/journal/migrate.ts";
import { findPrograms } from "../../runtime/stack/find-programs.ts";
import { removeDataFolder, startStack } from "../../runtime/stack/index.ts";
import { serverUser } from "../../runtime/stack/server-user.ts";
import { administer, withDatabase } from "./administer.ts";

/** What the tests of one run are told about its servers. */
export interface TestServers {
  readonly context: {
    /** A superuser's URL. */
    readonly databaseUrl: string;
    /** A migrated database that nobody connects to. */
    readonly template: string;
    /** One NATS for all tests of the run: for a test that wipes, floods or restarts it, see `startTestNats`. */
    readonly nats: { readonly worker: NatsAccess; readonly console: NatsAccess };
    /** The nats-server program. */
    readonly natsProgram: string;
  };
  close(): Promise<void>;
}

/**
 * Starts the servers of one test run, or uses those that `SIGNALBOX_TEST_DATABASE_URL` and
 * `SIGNALBOX_TEST_NATS_URL` name, and makes the database that tests clone.
 */
export async function startTestServers(): Promise<TestServers> {
  const user = await serverUser();
  const dataDir = await mkdtemp(join(tmpdir(), "signalbox-tests-"));
  const stack = await startStack({
    dataDir,
    open: openConnection,
    databaseUrl: process.env["SIGNALBOX_TEST_DATABASE_URL"],
    natsUrl: process.env["SIGNALBOX_TEST_NATS_URL"],
    report: (step) => {
      process.stderr.write(`test servers: ${step}\n`);
    },
  });
  const { nats } = await findPrograms({}, user, { postgres: false, nats: true });
  if (!nats) throw new Error("findPrograms found no nats-server");
  const template = `signalbox_template_${randomBytes(6).toString("hex")}`;
  await administer(stack.databaseUrl, `create database ${template}`);
  await migrate(withDatabase(stack.databaseUrl, template));
  return {
    context: { databaseUrl: stack.databaseUrl, template, nats: stack.nats, natsProgram: nats.path },
    async close() {
      if (process.env["SIGNALBOX_TEST_DATABASE_URL"]) await dropAll(stack.databaseUrl, template);
      await stack.close();
      await removeDataFolder(dataDir);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** The name of a clone begins with its template's, so that a run can drop all that it made. */
async function dropAll(url: string, template: string): Promise<void> {
  const made = await administer<{ name: string }>(
    url,
    `select datname as name from pg_database where starts_with(datname, '${template}')`,
  );
  for (const { name } of made) await administer(url, `drop database if exists ${name} with (force)`);
}

/** The access to a server as a URL with user and password, for what takes NATS_URL. */
export function urlOfNats({ servers, user, password }: NatsAccess): string {
  const url = new URL(servers[0] ?? "");
  if (user !== undefined) url.username = user;
  if (password !== undefined) url.password = password;
  return url.href;
}
