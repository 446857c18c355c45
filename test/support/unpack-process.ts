/**
 * Run as a process of its own by `test/e2e/stack-packages.test.ts` and others: unpacks the servers, telling
 * each step, and at the end whether it went well, as one line of JSON. Usage: unpack-process CACHE_DIR
 */
import { readHost } from "../../runtime/stack/host.ts";
import { unpackServers } from "../../runtime/stack/packages.ts";
import { tellFailure } from "./tell-failure.ts";

const [cacheDir] = process.argv.slice(2);
if (cacheDir === undefined) throw new Error("usage: unpack-process CACHE_DIR");
try {
  await unpackServers(cacheDir, await readHost(), (step) => {
    console.log(step);
  });
  console.log(JSON.stringify({ done: true }));
} catch (error) {
  tellFailure(error);
}
