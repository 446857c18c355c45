import { spawn } from "node:child_process";
import { once } from "node:events";
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
}

/** Cedar's wasm is not worth optimising for a process that lives a second: it would take more time than all else. */
export const WORKER_FLAGS = ["--no-turbo-inline-js-wasm-calls", "--liftoff-only"];

/** Runs the bundle from its compiled code: compiling it takes a third of a worker's start. */
const LOADER = `"use strict";
const fs = require("node:fs");
const vm = require("node:vm");
const path = require("node:path");
const file = path.join(__dirname, "bundle.cjs");
const kept = path.join(__dirname, "bundle.cache");
const source = "(function (exports, require, module, __filename, __dirname) {" + fs.readFileSync(file, "utf8") + "\\n})";
const cachedData = fs.existsSync(kept) ? fs.readFileSync(kept) : undefined;
const script = new vm.Script(source, { filename: file, cachedData });
if (script.cachedDataRejected) console.error("compiled code was rejected");
script.runInThisContext().call({}, {}, require, { exports: {} }, file, __dirname);
// It has nothing to do there, and ends once all is loaded.
if (process.argv[2] === "compile") process.once("beforeExit", () => fs.writeFileSync(kept, script.createCachedData()));
`;

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
  const compiling = spawn(process.execPath, [...WORKER_FLAGS, path, "compile"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  await once(compiling, "exit");
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
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
