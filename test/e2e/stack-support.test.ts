import { expect, test } from "vitest";
import { openConnection } from "../../runtime/journal/database.ts";
import { checkNats } from "../../runtime/stack/named-nats.ts";
import { createEmptyDatabase, createTestDatabase } from "../support/database.ts";
import { startTestNats, testNatsUrl } from "../support/nats.ts";

async function tablesOf(url: string): Promise<string[]> {
  const connection = await openConnection({ url });
  try {
    const rows = await connection.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = 'public'",
    );
    return rows.map((row) => row.name);
  } finally {
    await connection.end();
  }
}

test("a test database - is migrated and a clone of its own", async () => {
  await using one = await createTestDatabase();
  await using two = await createTestDatabase();
  expect(one.url).not.toBe(two.url);
  expect(await tablesOf(one.url)).toContain("signalbox_migrations");
});

test("an empty test database - has no tables", async () => {
  await using empty = await createEmptyDatabase();
  expect(await tablesOf(empty.url)).toEqual([]);
});

test("the run's NATS - is fit to be named", async () => {
  expect((await checkNats(testNatsUrl())).version).toMatch(/^\d+\.\d+/);
});

test("a private NATS - keeps its port when it is killed, wiped and started again", async () => {
  await using nats = await startTestNats();
  await nats.stop("SIGKILL");
  await nats.wipe();
  await nats.start();
  expect((await checkNats(nats.url)).access.servers).toEqual(nats.access.servers);
});
