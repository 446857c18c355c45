import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../runtime/core/clock.ts";
import type { Database } from "../../../runtime/core/database.ts";
import { openDatabase } from "../../../runtime/journal/database.ts";
import { DatabaseClock } from "../../../runtime/journal/database-clock.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";

let testDatabase: TestDatabase;
let database: Database;
beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase({ url: testDatabase.url });
});
afterAll(async () => {
  await database.end();
  await testDatabase[Symbol.asyncDispose]();
});

async function databaseNow(): Promise<number> {
  const [row] = await database.query<{ now: number }>(
    "select extract(epoch from clock_timestamp())::float8 * 1000 as now",
  );
  return row?.now ?? NaN;
}

test("the database's clock - tells its time, whatever the machine's clock says", async () => {
  const anHourAhead = { ...systemClock, now: () => systemClock.now() + 3_600_000 };
  using clock = await DatabaseClock.start(database, anHourAhead);
  const before = await databaseNow();
  const told = clock.now();
  const after = await databaseNow();
  // Half the way to the database and back is what it may be off by.
  expect(told).toBeGreaterThan(before - 500);
  expect(told).toBeLessThan(after + 500);
});

test("the database's clock - goes on by the monotonic clock", async () => {
  let ms = 1_000;
  using clock = await DatabaseClock.start(database, { now: () => 0, monotonicMs: () => ms });
  const told = clock.now();
  ms += 250;
  expect(clock.now() - told).toBeCloseTo(250);
});
