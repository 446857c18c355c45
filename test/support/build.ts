import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Builds `dist` where it is older than the source: tests that start programs start what is shipped. */
export default async function build(): Promise<void> {
  await promisify(execFile)(process.execPath, [".ci/build.mjs", "--if-stale"], { cwd: ROOT });
}
