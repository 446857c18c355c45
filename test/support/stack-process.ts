/**
 * Run as a process of its own by `test/e2e/stack.test.ts` and others: starts a stack, prints one line of
 * JSON, and stays until it is killed. Usage: stack-process DATA_DIR [CACHE_DIR] [WHAT]; an empty CACHE_DIR is none
 * WHAT: `find` looks for a stack that runs, `once` stops it again.
 */
import { openConnection } from "../../runtime/journal/database.ts";
import { findRunningStack, startStack } from "../../runtime/stack/index.ts";
import { tellFailure } from "./tell-failure.ts";

const [dataDir, cacheDir, what] = process.argv.slice(2);
if (dataDir === undefined) throw new Error("usage: stack-process DATA_DIR [CACHE_DIR]");
try {
  if (what === "find") console.log(JSON.stringify({ found: (await findRunningStack(dataDir)) !== undefined }));
  else await start(dataDir);
} catch (error) {
  tellFailure(error);
}

async function start(folder: string): Promise<void> {
  const stack = await startStack({
    dataDir: folder,
    cacheDir: cacheDir === "" ? undefined : cacheDir,
    open: openConnection,
  });
  const { databaseUrl } = stack;
  const pids = stack.describe().map((server) => server.pid);
  console.log(JSON.stringify({ databaseUrl, uid: process.getuid?.(), pids }));
  if (what === "once") await stack.close();
  // Nothing of a stack keeps its process alive.
  else setInterval(() => undefined, 60_000);
}
