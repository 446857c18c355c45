import { describe, expect, test } from "vitest";
import type { BinaryRow, Transaction } from "../../../runtime/core/database.ts";
import { until } from "../../support/processes.ts";
import { useJournals } from "../../support/journals.ts";

const { one, two } = useJournals();

async function rowsOf<T>(sql: Transaction, select: string, read: (row: BinaryRow) => T): Promise<T[]> {
  const rows: T[] = [];
  await sql.forEach(select, (row) => rows.push(read(row)));
  return rows;
}

const COLUMNS = `
select v::smallint, v::int, v::bigint, text, convert_to(text, 'UTF8'), text
from (values (1, 'é'), (-2, null)) as t(v, text)`;

const columns = (row: BinaryRow): unknown[] => {
  const numbers = [row.int16(), row.int32(), row.int64()];
  const text = row.bytes();
  return [...numbers, text && Buffer.from(text).toString(), row.hex(), row.hex()];
};

describe("the rows of a query, one by one", () => {
  test("columns of each kind, and nulls - are read in their order", async () => {
    const rows = await one.database.transaction((sql) => rowsOf(sql, COLUMNS, columns));
    expect(rows).toEqual([
      [1, 1, 1, "é", "c3a9", "c3a9"],
      [-2, -2, -2, null, null, null],
    ]);
  });

  test("numbers of all sizes and text - are what they were", async () => {
    const numbers = [0, 2 ** 31, -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
    const select = `select n, n::text from unnest('{${numbers.join(",")}}'::bigint[]) as n`;
    const rows = await one.database.transaction((sql) => rowsOf(sql, select, (row) => [row.int64(), row.text()]));
    expect(rows).toEqual(numbers.map((number) => [number, String(number)]));
  });

  test("no rows, and more than the connection buffers - all come, and other statements between them", async () => {
    const lengths = await one.database.transaction(async (sql) => {
      expect(await rowsOf(sql, "select 1 where false", (row) => row.int32())).toEqual([]);
      const large = "select repeat('x', 100000 * (n % 2)) from generate_series(1, 100) n";
      const read = await rowsOf(sql, large, (row) => row.bytes()?.length);
      expect(await sql.query("select 1 as one")).toEqual([{ one: 1 }]);
      return read;
    });
    expect(lengths).toEqual(Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? 100_000 : 0)));
  });

  test.each([
    ["null as text", "null::text", (row: BinaryRow) => row.text()],
    ["null as a number", "null::int", (row: BinaryRow) => row.int32()],
    ["a bigint as an int", "1::bigint", (row: BinaryRow) => row.int32()],
  ])("%s - is an error of whoever reads", async (_what, value, read) => {
    const reading = one.database.transaction((sql) => rowsOf<unknown>(sql, `select ${value}`, read));
    await expect(reading).rejects.toThrow(TypeError);
  });

  test("what is thrown at a row - comes out, no other row is handed over, and the connection is free", async () => {
    const thrown = new Error("of the reader");
    let rows = 0;
    await one.database.transaction(async (sql) => {
      const reading = sql.forEach("select generate_series(1, 100000)", () => {
        rows++;
        if (rows === 3) throw thrown;
      });
      await expect(reading).rejects.toBe(thrown);
      expect(await sql.query("select 1 as one")).toEqual([{ one: 1 }]);
    });
    expect(rows).toBe(3);
  });

  test("a refusal, before the first row or after some - is Postgres's own error, and the connection is free again", async () => {
    for (const [select, code] of [
      ["select nothing", "42703"],
      ["select 1 / (n - 5000) from generate_series(1, 10000) n", "22012"],
    ] as const) {
      const reading = one.database.transaction((sql) => sql.forEach(select, () => undefined));
      await expect(reading).rejects.toMatchObject({ code });
    }
    expect(await one.database.transaction((sql) => sql.query("select 1 as one"))).toEqual([{ one: 1 }]);
  });

  test("a connection that breaks meanwhile - fails the transaction, and nothing else", async () => {
    const { database } = two;
    const reading = database.transaction(async (sql) => {
      const [self] = await sql.query<{ pid: number }>("select pg_backend_pid() as pid");
      const copied = sql.forEach("select pg_sleep(60)", () => undefined);
      await Promise.all([copied, terminateOnceAsleep(self?.pid ?? 0)]);
    });
    await expect(reading).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
    expect(await database.transaction((sql) => sql.query("select 1 as one"))).toEqual([{ one: 1 }]);
  });
});

async function terminateOnceAsleep(pid: number): Promise<void> {
  const asleep = "select 1 from pg_stat_activity where pid = $1 and query like '%pg_sleep%'";
  await until(async () => (await one.database.query(asleep, [pid])).length === 1);
  await one.database.query("select pg_terminate_backend($1)", [pid]);
}
