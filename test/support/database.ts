import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { administer, withDatabase } from "./administer.ts";

export { administer };

export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
}

/**
 * A fresh, migrated database of this test's own, cloned from the run's template in some 50 ms. At the
 * end of the `await using` block its connections are cut. The database itself goes with the run's
 * servers: dropping one costs a checkpoint.
 */
export function createTestDatabase(): Promise<TestDatabase> {
  return create(` template ${inject("testServers").template}`);
}

/** A fresh database without any tables. Otherwise like {@link createTestDatabase}. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return create("");
}

async function create(from: string): Promise<TestDatabase> {
  const { databaseUrl, template } = inject("testServers");
  // The whole name is at most 63 characters, or Postgres cuts it short.
  const name = `${template}_${randomBytes(6).toString("hex")}`;
  await administer(databaseUrl, `create database ${name}${from}`);
  return {
    url: withDatabase(databaseUrl, name),
    async [Symbol.asyncDispose]() {
      await administer(databaseUrl, `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`);
    },
  };
}
