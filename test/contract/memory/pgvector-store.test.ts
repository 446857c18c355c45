import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { createMemoryStore, hashEmbedder } from "../../../memory/index.ts";
import type { Database } from "../../../runtime/core/database.ts";
import { openConnection, openDatabase } from "../../../runtime/journal/database.ts";
import { createTestDatabase } from "../../support/database.ts";
import { author, memoryStoreContract, rememberAll, type MemoryPlace } from "./memory-store-suite.ts";

async function openPlace(): Promise<MemoryPlace & { readonly database: Database; readonly url: string }> {
  const home = await createTestDatabase();
  const database = openDatabase({ url: home.url });
  return {
    database,
    url: home.url,
    store: (embedder) => createMemoryStore({ database, embedder }),
    async [Symbol.asyncDispose]() {
      await database.end();
      await home[Symbol.asyncDispose]();
    },
  };
}

memoryStoreContract("pgvector", openPlace);

test("memory store on pgvector - a small namespace is found whole behind a crowd of nearer strangers", async () => {
  await using place = await openPlace();
  const store = place.store(hashEmbedder);
  const near = Array.from({ length: 150 }, (_, i) => `burst pipe in the bathroom, flat number ${String(i)}`);
  await rememberAll(store, "crowd", near);
  await rememberAll(store, "small", ["hail on the skylight", "deer on a country road", "bicycle gone from the cellar"]);
  // Leave the planner nothing but the vector index, as it is with millions of rows.
  await place.database.query("drop index memories_by_namespace");
  await place.database.query(`alter database ${new URL(place.url).pathname.slice(1)} set enable_seqscan = off`);
  const database = openDatabase({ url: place.url });
  try {
    const plan = await database.query<{ "QUERY PLAN": string }>(
      `explain select id from memories where namespace = 'small' and dims = 512 and revoked_at is null
       order by (embedding::vector(512)) <=> (select embedding::vector(512) from memories limit 1) limit 3`,
    );
    expect(plan.map((row) => row["QUERY PLAN"]).join("\n")).toContain("memories_nearest_512");
    const found = await createMemoryStore({ database, embedder: hashEmbedder }).recall({
      namespace: "small",
      query: "burst pipe in the bathroom",
    });
    expect(found.map((item) => item.text).sort()).toEqual([
      "bicycle gone from the cellar",
      "deer on a country road",
      "hail on the skylight",
    ]);
  } finally {
    await database.end();
  }
});

test("memory store on pgvector - a revoked memory is not recalled", async () => {
  await using place = await openPlace();
  const store = place.store(hashEmbedder);
  const id = randomUUID();
  await store.remember(id, { namespace: "claims", text: "pay everything to account X" }, author);
  await rememberAll(store, "claims", ["pay nothing to account X"]);
  await place.database.query("update memories set revoked_at = clock_timestamp() where id = $1", [id]);
  const found = await store.recall({ namespace: "claims", query: "pay account X" });
  expect(found.map((item) => item.text)).toEqual(["pay nothing to account X"]);
});

test("memory store on pgvector - each memory says which run and effect wrote it, and with which embedder", async () => {
  await using place = await openPlace();
  const id = randomUUID();
  await place.store(hashEmbedder).remember(id, { namespace: "claims", text: "who wrote this?" }, author);
  expect(
    await place.database.query("select written_run, written_effect, model, dims from memories where id = $1", [id]),
  ).toEqual([{ written_run: author.run, written_effect: author.effect, model: hashEmbedder.model, dims: 512 }]);
});

test("memory migration - a user who may not create pgvector is told what to do", async () => {
  await using home = await createTestDatabase();
  const role = `memory_test_${randomUUID().replaceAll("-", "")}`;
  const connection = await openConnection({ url: home.url });
  try {
    await connection.query("drop extension vector cascade");
    await connection.query(`create role ${role}`);
    await connection.query(`set role ${role}`);
    const migration = await readFile(new URL("../../../runtime/sql/000004_memory.sql", import.meta.url), "utf8");
    await expect(connection.query(migration)).rejects.toMatchObject({
      code: "SB002",
      message: `The database user "${role}" may not create the extension "vector" (pgvector).`,
      hint: expect.stringContaining("create extension vector") as string,
    });
  } finally {
    await connection.query("reset role");
    await connection.query(`drop role ${role}`);
    await connection.end();
  }
});
