/**
 * Run as a process of its own by `test/e2e/stack.test.ts`: starts a stack, prints one line of JSON, and
 * stays until it is killed. Usage: stack-process DATA_DIR [CACHE_DIR]
 */
import { openConnection } from "../../runtime/journal/database.ts";
import { startStack } from "../../runtime/stack/index.ts";

const [dataDir, cacheDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error("usage: stack-process DATA_DIR [CACHE_DIR]");
try {
  const stack = await startStack({ dataDir, cacheDir, open: openConnection });
  const { databaseUrl } = stack;
  console.log(
    JSON.stringify({ databaseUrl, uid: process.getuid?.(), pids: stack.describe().map((server) => server.pid) }),
  );
  // Nothing of a stack keeps its process alive.
  setInterval(() => undefined, 60_000);
} catch (error) {
  console.log(JSON.stringify({ code: error instanceof Error && "code" in error ? error.code : String(error) }));
}
