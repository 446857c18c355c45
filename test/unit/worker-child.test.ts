import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deferred } from "../../runtime/core/deferred.ts";
import { startWorkerChild, type WorkerDeath } from "../../runtime/platform/worker-child.ts";

test("a worker that ends with an error - is reported with what it said", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "signalbox-worker-child-"));
  const main = join(dataDir, "main.mjs");
  await writeFile(main, 'process.stderr.write("a line\\nerror No graph. [INVALID_GRAPH]\\n"); process.exitCode = 1;');
  const died = deferred<WorkerDeath>();
  const worker = await startWorkerChild({
    main,
    configPath: "none",
    dataDir,
    onDeath: (death) => {
      died.resolve(death);
    },
  });
  expect(await died.promise).toMatchObject({ code: 1, said: "No graph. [INVALID_GRAPH]" });
  await worker.stop();
  await rm(dataDir, { recursive: true });
});

test("a worker that dies while a process of its own lives on - is started again all the same", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "signalbox-worker-child-"));
  const main = join(dataDir, "main.mjs");
  // The other process has the worker's standard error, as the one for suspects has.
  await writeFile(
    main,
    `import { spawn } from "node:child_process";
     spawn(process.execPath, ["-e", "setTimeout(() => {}, 8_000)"], { stdio: ["ignore", "ignore", "inherit"] }).unref();
     process.exit(1);`,
  );
  const died = deferred<WorkerDeath>();
  const worker = await startWorkerChild({
    main,
    configPath: "none",
    dataDir,
    onDeath: (death) => {
      died.resolve(death);
    },
  });
  expect(await died.promise).toMatchObject({ code: 1, said: null });
  await expect.poll(() => worker.restarts, { timeout: 4_000 }).toBeGreaterThan(1);
  await worker.stop();
  await rm(dataDir, { recursive: true });
});

/** The delays before the next start of a worker that runs this, as often as it dies. */
async function delaysOf(script: string, deaths: number): Promise<number[]> {
  const dataDir = await mkdtemp(join(tmpdir(), "signalbox-worker-child-"));
  const main = join(dataDir, "main.mjs");
  await writeFile(main, script);
  const delays: number[] = [];
  const all = deferred<number>();
  const worker = await startWorkerChild({
    main,
    configPath: "none",
    dataDir,
    livedMs: 50,
    onDeath: ({ againInMs }) => {
      delays.push(againInMs);
      if (delays.length === deaths) all.resolve(deaths);
    },
  });
  await all.promise;
  await worker.stop();
  await rm(dataDir, { recursive: true });
  return delays;
}

test("a worker that never comes so far as to take runs - is started again more and more seldom, however long it takes to fail", async () => {
  expect(await delaysOf("setTimeout(() => process.exit(1), 150);", 3)).toEqual([300, 600, 1_200]);
});

test("a worker that has taken runs for a while before it ends by itself - is started again at once", async () => {
  expect(await delaysOf('process.send("ready"); setTimeout(() => process.exit(1), 150);', 3)).toEqual([300, 300, 300]);
});
