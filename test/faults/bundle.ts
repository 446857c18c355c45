import { symlinkSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** One exact change of one file of the source: what a guard does is taken out. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** What a worker of the fault cases is started from: the whole of it in one file, which loads in a third of the time. */
export interface Bundle extends AsyncDisposable {
  readonly path: string;
  /** Where its compiled code is kept, once it is. */
  readonly compiled: string;
}

/**
 * Runs the bundle from its compiled code: compiling it takes longer than running it. What has been compiled so far is
 * kept on a SIGUSR2. Code that was compiled under other flags is not taken, neither ours nor Node's own, so that the
 * flags are set just before they are needed, for Cedar's wasm: the one that every worker has, and no optimising of
 * what lives a second.
 */
const LOADER = `"use strict";
const fs = require("node:fs");
const vm = require("node:vm");
const v8 = require("node:v8");
const path = require("node:path");
const file = path.join(__dirname, "bundle.cjs");
const kept = path.join(__dirname, "bundle.cache");
const source = "(function (exports, require, module, __filename, __dirname) {" + fs.readFileSync(file, "utf8") + "\\n})";
const cachedData = fs.existsSync(kept) ? fs.readFileSync(kept) : undefined;
const script = new vm.Script(source, { filename: file, cachedData });
if (script.cachedDataRejected) throw new Error("The compiled code was rejected: was it kept under other flags?");
const flags = (on) => {
  v8.setFlagsFromString(on ? "--no-turbo-inline-js-wasm-calls" : "--turbo-inline-js-wasm-calls");
  // It takes the other two with it, and does not give them back.
  for (const flag of on ? ["--liftoff-only", "--wasm-lazy-validation"] : ["--no-wasm-lazy-validation", "--no-liftoff-only", "--wasm-tier-up", "--wasm-dynamic-tiering"]) {
    v8.setFlagsFromString(flag);
  }
};
const load = (id) => {
  if (id.startsWith("@cedar-policy/")) flags(true);
  return require(id);
};
// As newer versions of Node have it. Without it, pg loads an HTTP client to find out what it runs on.
globalThis.navigator ??= { userAgent: "Node.js" };
process.on("SIGUSR2", () => {
  flags(false);
  fs.writeFileSync(kept + ".new", script.createCachedData());
  fs.renameSync(kept + ".new", kept);
  flags(true);
});
script.runInThisContext().call({}, {}, load, { exports: {} }, file, __dirname);
`;

/** Certificates of authorities, which no worker here looks at, take longer to read than Node takes to start. */
export function workerEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_EXTRA_CA_CERTS: undefined };
}

/** Bundles the worker of the source at `root`. */
export async function bundleWorker(root = ROOT): Promise<Bundle> {
  const folder = await mkdtemp(join(tmpdir(), "signalbox-faults-worker-"));
  // Cedar's wasm is read from beside its own file.
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const bundle = join(folder, "bundle.cjs");
  await build({
    absWorkingDir: root,
    entryPoints: [join(root, "test/faults/worker-process.ts")],
    outfile: bundle,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    conditions: ["signalbox-source", "module"],
    external: ["@cedar-policy/cedar-wasm", "pg-native"],
    define: { "import.meta.url": "bundleUrl" },
    banner: { js: 'const bundleUrl = require("node:url").pathToFileURL(__filename).href;' },
    // Less to read for a process that lives a second.
    minifyWhitespace: true,
    logLevel: "error",
  });
  const path = join(folder, "worker.cjs");
  await writeFile(path, LOADER);
  return {
    path,
    compiled: join(folder, "bundle.cache"),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** What a worker is made of. */
const SOURCES = ["runtime", "agents", "tools", "memory", "console/server", "test", "package.json", "tsconfig.json"];

/**
 * Bundles a worker from a copy of the source with these changes.
 *
 * @throws if a patch's text is not in its file exactly once: then the source has changed, and the patch has to follow.
 */
export async function bundlePatched(patches: readonly Patch[]): Promise<Bundle> {
  const copy = await mkdtemp(join(tmpdir(), "signalbox-faults-source-"));
  try {
    for (const source of SOURCES) await cp(join(ROOT, source), join(copy, source), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    for (const { file, find, replace } of patches) {
      const text = await readFile(join(copy, file), "utf8");
      const found = text.split(find).length - 1;
      if (found !== 1)
        throw new Error(`The text to take out of ${file} is there ${String(found)} times, not once:\n${find}`);
      await writeFile(
        join(copy, file),
        text.replace(find, () => replace),
      );
    }
    return await bundleWorker(copy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}
