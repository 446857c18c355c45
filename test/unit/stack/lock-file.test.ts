import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockHolder, takeLock, type HeldLock } from "../../../runtime/stack/lock-file.ts";
import { identify, isRunning, toIdentity } from "../../../runtime/stack/process-identity.ts";

let folder = "";
let file = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "signalbox-lock-"));
  file = join(folder, "lock");
});
afterEach(() => rm(folder, { recursive: true }));

async function take(): Promise<HeldLock> {
  const lock = await takeLock(file);
  if (!lock.held) throw new Error("The lock was expected to be free.");
  return lock;
}

test("a lock - keeps a second taker out, naming the holder, until it is released", async () => {
  const lock = await take();
  expect(await takeLock(file)).toMatchObject({ held: false, by: { pid: process.pid } });
  expect((await lockHolder(file))?.pid).toBe(process.pid);
  await lock.release();
  expect(await lockHolder(file)).toBeUndefined();
  await (await take()).release();
  expect(await readdir(folder)).toEqual([]);
});

test.each([
  ["of a process that is gone", JSON.stringify({ pid: 2 ** 22 + 1, started: "then" })],
  ["of an earlier process with this one's number", JSON.stringify({ pid: process.pid, started: "then" })],
  ["that is damaged", "{"],
  ["that is empty", ""],
])("a lock %s - is taken over", async (_, text) => {
  await writeFile(file, text);
  expect(await lockHolder(file)).toBeUndefined();
  await (await take()).release();
});

test("a stale lock that many find at once - is taken over by one", async () => {
  for (let round = 0; round < 20; round++) {
    await writeFile(file, JSON.stringify({ pid: 2 ** 22 + 1, started: "then" }));
    const locks = await Promise.all(Array.from({ length: 10 }, () => takeLock(file)));
    const held = locks.filter((lock) => lock.held);
    expect(held).toHaveLength(1);
    for (const lock of held) await lock.release();
  }
  expect(await readdir(folder)).toEqual([]);
});

test("releasing a lock - leaves one that another start has taken since", async () => {
  const lock = await take();
  await rm(file);
  const next = await take();
  await lock.release();
  expect((await lockHolder(file))?.pid).toBe(process.pid);
  await next.release();
});

test("a process's identity - is its own, and survives being written down", () => {
  const me = identify(process.pid);
  expect(me).toBeDefined();
  expect(isRunning(toIdentity(JSON.parse(JSON.stringify(me))) ?? { pid: 0, started: "" })).toBe(true);
  expect(isRunning({ pid: process.pid, started: "another time" })).toBe(false);
  expect(identify(2 ** 22 + 1)).toBeUndefined();
});
