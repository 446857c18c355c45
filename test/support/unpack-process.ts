/** Run as a process of its own by `test/e2e/stack-packages.test.ts`: unpacks the servers, telling each step. */
import { readHost } from "../../runtime/stack/host.ts";
import { unpackServers } from "../../runtime/stack/packages.ts";

const [cacheDir] = process.argv.slice(2);
if (cacheDir === undefined) throw new Error("usage: unpack-process CACHE_DIR");
await unpackServers(cacheDir, await readHost(), (step) => {
  console.log(step);
});
