import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../../runtime/journal/migrate.ts";
import { freePort } from "../../runtime/stack/probe.ts";
import { signalbox, type CliResult } from "../support/cli.ts";
import { administer, createEmptyDatabase, createTestDatabase } from "../support/database.ts";
import { startTestNats, testNatsUrl } from "../support/nats.ts";

/** What users are told who name servers that cannot be used, by each command that migrates or opens the database. */

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "signalbox-commands-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

type Servers = Readonly<Record<"DATABASE_URL" | "NATS_URL", string>>;

/** Two at a time: each is a process that has much to load. */
async function inTwos<T>(all: readonly T[], each: (one: T) => Promise<void>): Promise<void> {
  const left = [...all];
  const lane = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await each(next);
  };
  await Promise.all([lane(), lane()]);
}

/** All that open the database. `migrate` alone needs no NATS. */
async function everyCommand(env: Servers): Promise<Record<string, CliResult>> {
  const port = String(await freePort());
  const commands: Record<string, string[]> = {
    migrate: ["migrate"],
    worker: ["worker"],
    console: ["console", "--port", port],
    dev: ["--data", join(folder, "data"), "dev", "--port", port, "--workers", "1"],
    "sessions ls": ["sessions", "ls"],
  };
  const results: Record<string, CliResult> = {};
  await inTwos(Object.entries(commands), async ([name, args]) => {
    results[name] = await signalbox(args, { env });
  });
  return results;
}

/** A code, what happened, what to do; never a stack trace. Exit code 1: what was asked for could not be done. */
function expectMistake(result: CliResult | undefined, code: string, ...says: readonly string[]): void {
  expect(result?.stderr).toContain(`[${code}]`);
  for (const words of says) expect(result?.stderr).toContain(words);
  expect(result?.stderr).not.toMatch(/\n\s+at /);
  expect(result?.code).toBe(1);
}

/** A database in which the server says something else of itself: our own names come before Postgres's. */
async function pretend(url: string, ...statements: readonly string[]): Promise<void> {
  await administer(url, "create schema pretended");
  for (const statement of statements) await administer(url, statement);
  const name = new URL(url).pathname.slice(1);
  await administer(url, `alter database ${name} set search_path = pretended, pg_catalog, public`);
}

const NO_PGVECTOR = `create view pretended.pg_available_extensions as
  select * from pg_catalog.pg_available_extensions where name <> 'vector'`;
const VERSION_14 = `create function pretended.current_setting(text) returns text language sql as
  $$ select case $1 when 'server_version' then '14.9 (Debian)' else pg_catalog.current_setting($1) end $$`;

describe("a Postgres without pgvector", () => {
  test("is named by every command, with what to install", async () => {
    await using database = await createEmptyDatabase();
    await pretend(database.url, NO_PGVECTOR);
    const results = await everyCommand({ DATABASE_URL: database.url, NATS_URL: testNatsUrl() });
    expect(Object.keys(results)).toHaveLength(5);
    for (const result of Object.values(results)) {
      expectMistake(
        result,
        "PGVECTOR_MISSING",
        "apt install postgresql-",
        "pgvector/pgvector:pg17",
        "unset DATABASE_URL",
      );
    }
  });

  test("is found by the migration itself where the server says that it has it", async () => {
    await using database = await createEmptyDatabase();
    await administer(
      database.url,
      `create function public.refuse() returns event_trigger language plpgsql as $$
       begin raise exception using errcode = 'feature_not_supported', message = 'extension "vector" is not available'; end $$`,
    );
    await administer(
      database.url,
      "create event trigger refuse on ddl_command_start when tag in ('CREATE EXTENSION') execute function public.refuse()",
    );
    const result = await signalbox(["migrate"], { env: { DATABASE_URL: database.url } });
    expectMistake(result, "PGVECTOR_MISSING", "has no pgvector", "postgresql-NN-pgvector", "npx signalbox migrate");
    // What came before it is done; once pgvector is there, the rest follows.
    await administer(database.url, "drop event trigger refuse");
    const { code, stdout } = await signalbox(["--json", "migrate"], { env: { DATABASE_URL: database.url } });
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { applied: string[] }).applied[0]).toMatch(/_memory\.sql$/);
  });
});

describe("a Postgres that cannot be used", () => {
  test("is too old - says which version it is and which is needed", async () => {
    await using database = await createEmptyDatabase();
    await pretend(database.url, VERSION_14);
    const env = { DATABASE_URL: database.url, NATS_URL: testNatsUrl() };
    await inTwos(["migrate", "worker"], async (command) => {
      expectMistake(await signalbox([command], { env }), "POSTGRES_TOO_OLD", "version 14.9", "needs 15 or newer");
    });
  });

  test("has none of our tables - what needs them says how they are made", async () => {
    await using database = await createEmptyDatabase();
    const env = { DATABASE_URL: database.url, NATS_URL: testNatsUrl() };
    await inTwos([["worker"], ["console", "--port", "0"], ["sessions", "ls"]], async (command) => {
      expectMistake(await signalbox(command, { env }), "SCHEMA_MISMATCH", "npx signalbox migrate");
    });
    expect(await signalbox(["migrate"], { env })).toMatchObject({ code: 0, stderr: "" });
    expect((await signalbox(["sessions", "ls"], { env })).code).toBe(0);
  });

  test("wrong host, port, user, database or URL - each has its code, and no password is repeated", async () => {
    await using database = await createTestDatabase();
    const changed = (change: (url: URL) => void): string => {
      const url = new URL(database.url);
      url.password = "hunter2";
      change(url);
      return url.href;
    };
    const cases: readonly (readonly [url: string, code: string, says: string])[] = [
      [changed((url) => (url.hostname = "nowhere.invalid")), "POSTGRES_UNREACHABLE", "nowhere.invalid"],
      [changed((url) => (url.port = "1")), "POSTGRES_UNREACHABLE", "127.0.0.1:1"],
      [changed((url) => (url.username = "stranger")), "POSTGRES_REFUSED", "stranger"],
      [changed((url) => (url.password = "")), "POSTGRES_REFUSED", "password"],
      [database.url.replace(/\/[^/]*$/, "/absent"), "POSTGRES_REFUSED", '"absent"'],
      [`${database.url}?sslmode=require`, "POSTGRES_REFUSED", "sslmode"],
      ["postgres://me:100%@127.0.0.1/db", "SERVER_URL_INVALID", "postgres://USER:PASSWORD@HOST:5432/DATABASE"],
      ["mysql://me:hunter2@127.0.0.1/db", "SERVER_URL_INVALID", "postgres://USER:PASSWORD@HOST:5432/DATABASE"],
    ];
    await inTwos(cases, async ([url, code, says]) => {
      const result = await signalbox(["migrate"], { env: { DATABASE_URL: url } });
      expectMistake(result, code, says);
      expect(result.stderr).not.toContain("hunter2");
    });
  });

  test("a user who may not make tables or extensions - is told which right is missing", async () => {
    await using database = await createEmptyDatabase();
    const role = `guest_${new URL(database.url).pathname.slice(-12)}`;
    await administer(database.url, `create role ${role} login password 'guest'`);
    const url = new URL(database.url);
    url.username = role;
    url.password = "guest";
    const refused = await signalbox(["migrate"], { env: { DATABASE_URL: url.href } });
    expectMistake(refused, "POSTGRES_REFUSED", "permission denied", "database's owner");
    await administer(database.url, `grant create on schema public to ${role}`);
    const noExtension = await signalbox(["migrate"], { env: { DATABASE_URL: url.href } });
    expectMistake(noExtension, "PGVECTOR_MISSING", role, "create extension vector");
    // A superuser's one statement is all that was missing.
    await administer(database.url, "create extension vector");
    expect((await migrate(url.href)).length).toBeGreaterThan(0);
    await administer(database.url, `reassign owned by ${role} to current_user`);
    await administer(database.url, `drop owned by ${role}`);
    await administer(database.url, `drop role ${role}`);
  });

  test("somebody else's tables under our names - are left alone", async () => {
    await using database = await createEmptyDatabase();
    await administer(database.url, "create table runs (theirs int)");
    const result = await signalbox(["migrate"], { env: { DATABASE_URL: database.url } });
    expectMistake(result, "SCHEMA_MISMATCH", '"runs"', "a database of Signalbox's own");
    expect(await administer(database.url, "select theirs from runs")).toEqual([]);
  });
});

describe("a NATS that cannot be used", () => {
  test("has no JetStream - every command that needs it says how to have it", async () => {
    await using database = await createTestDatabase();
    await using nats = await startTestNats({ jetStream: false });
    const { migrate: migrated, ...others } = await everyCommand({ DATABASE_URL: database.url, NATS_URL: nats.url });
    expect(migrated?.code).toBe(0);
    for (const result of Object.values(others)) expectMistake(result, "JETSTREAM_DISABLED", "-js", "unset NATS_URL");
  });

  test("wrong host, password or URL - each has its code, and no password is repeated", async () => {
    await using database = await createTestDatabase();
    const cases: readonly (readonly [url: string, code: string, says: string])[] = [
      ["nats://me:hunter2@127.0.0.1:1", "NATS_UNREACHABLE", "127.0.0.1:1"],
      ["nats://me:100%@127.0.0.1", "SERVER_URL_INVALID", "nats://USER:PASSWORD@HOST:4222"],
      ["http://me:hunter2@127.0.0.1", "SERVER_URL_INVALID", "nats://USER:PASSWORD@HOST:4222"],
      [testNatsUrl().replace(/:[^:]*@/, ":hunter2@"), "NATS_REFUSED", "Authorization Violation"],
    ];
    await inTwos(cases, async ([url, code, says]) => {
      const result = await signalbox(["sessions", "ls"], { env: { DATABASE_URL: database.url, NATS_URL: url } });
      expectMistake(result, code, says);
      expect(result.stderr).not.toContain("hunter2");
    });
  });
});
