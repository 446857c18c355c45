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
