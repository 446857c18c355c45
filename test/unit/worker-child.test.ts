import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { deferred } from "../../runtime/core/deferred.ts";
import {
  startWorkerChild,
  WORKER_NODE_ARGS,
  workerNodeArgs,
  type WorkerChild,
  type WorkerDeath,
} from "../../runtime/platform/worker-child.ts";

/** Starts a worker that is this script, waits for its first deaths, and stops it in the end. */
async function deathsOf(
  script: string,
  count: number,
  look: (worker: WorkerChild) => Promise<void> = () => Promise.resolve(),
): Promise<WorkerDeath[]> {
  const dataDir = await mkdtemp(join(tmpdir(), "signalbox-worker-child-"));
  const main = join(dataDir, "main.mjs");
  await writeFile(main, script);
  const deaths: WorkerDeath[] = [];
  const all = deferred<number>();
  const onDeath = (death: WorkerDeath): void => {
    deaths.push(death);
    if (deaths.length === count) all.resolve(count);
  };
  const worker = await startWorkerChild({ main, configPath: "none", dataDir, livedMs: 50, onDeath });
  await all.promise;
  await look(worker);
  await worker.stop();
  await rm(dataDir, { recursive: true });
  return deaths.slice(0, count);
}

test("a worker that ends with an error - is reported with what it said", async () => {
  const script = 'process.stderr.write("a line\\nerror No graph. [INVALID_GRAPH]\\n"); process.exitCode = 1;';
  expect(await deathsOf(script, 1)).toMatchObject([{ code: 1, said: "No graph. [INVALID_GRAPH]" }]);
});

test("a worker that dies while a process of its own lives on - is started again all the same", async () => {
  // The other process has the worker's standard error, as the one for suspects has.
  const script = `import { spawn } from "node:child_process";
     spawn(process.execPath, ["-e", "setTimeout(() => {}, 8_000)"], { stdio: ["ignore", "ignore", "inherit"] }).unref();
     process.exit(1);`;
  const deaths = await deathsOf(script, 1, (worker) =>
    expect.poll(() => worker.restarts, { timeout: 4_000 }).toBeGreaterThan(1),
  );
  expect(deaths).toMatchObject([{ code: 1, said: null }]);
});

test("a worker that never comes so far as to take runs - is started again more and more seldom, however long it takes to fail", async () => {
  const deaths = await deathsOf("setTimeout(() => process.exit(1), 150);", 3);
  expect(deaths.map(({ againInMs }) => againInMs)).toEqual([300, 600, 1_200]);
});

test("a worker that has taken runs for a while before it ends by itself - is started again at once", async () => {
  const deaths = await deathsOf('process.send("ready"); setTimeout(() => process.exit(1), 150);', 3);
  expect(deaths.map(({ againInMs }) => againInMs)).toEqual([300, 300, 300]);
});

describe("what a worker's Node is told", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test("is what a worker needs, after what was given", () => {
    vi.stubEnv("NODE_OPTIONS", "");
    expect(workerNodeArgs(["--import", "tsx"])).toEqual(["--import", "tsx", ...WORKER_NODE_ARGS]);
  });

  test.each([
    { given: ["--max_semi_space_size=64"], options: "" },
    { given: [], options: "--enable-source-maps --max-semi-space-size=64" },
  ])("leaves alone what somebody has set: $given $options", ({ given, options }) => {
    vi.stubEnv("NODE_OPTIONS", options);
    expect(workerNodeArgs(given)).toEqual([...given, "--no-turbo-inline-js-wasm-calls"]);
  });
});
