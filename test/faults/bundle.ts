import { symlinkSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type BuildOptions } from "esbuild";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** One exact change of one file of the source: what a guard does is taken out. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** What a worker of the fault cases is started from: a few files, which load in a third of the time of hundreds. */
export interface Bundle extends AsyncDisposable {
  readonly path: string;
  /** Where the compiled code of the libraries is kept, once it is. */
  readonly compiled: string;
}

/** Bundled apart: they are most of the code, and the same with a guard and without. */
const LIBRARIES = ["@langchain/*", "zod", "pg", "nats"];

/**
 * Runs a bundle from its compiled code: compiling it takes longer than running it. What has been compiled so far is
 * kept on a SIGUSR2. Code that was compiled under other flags is not taken, neither ours nor Node's own, so that the
 * flags are set just before they are needed, for Cedar's wasm: the one that every worker has, and no optimising of
 * what lives a second.
 */
const LOADER = `"use strict";
const fs = require("node:fs");
const vm = require("node:vm");
const v8 = require("node:v8");
const path = require("node:path");
const scripts = [];
const run = (file, load) => {
  const kept = file + ".cache";
  const source = "(function (exports, require, module, __filename, __dirname) {" + fs.readFileSync(file, "utf8") + "\\n})";
  const cachedData = fs.existsSync(kept) ? fs.readFileSync(kept) : undefined;
  const script = new vm.Script(source, { filename: file, cachedData });
  if (script.cachedDataRejected) throw new Error("The compiled code was rejected: was it kept under other flags?");
  scripts.push({ script, kept });
  const module = { exports: {} };
  script.runInThisContext().call({}, module.exports, load, module, file, path.dirname(file));
  return module.exports;
};
const flags = (on) => {
  v8.setFlagsFromString(on ? "--no-turbo-inline-js-wasm-calls" : "--turbo-inline-js-wasm-calls");
  // It takes the other two with it, and does not give them back.
  for (const flag of on ? ["--liftoff-only", "--wasm-lazy-validation"] : ["--no-wasm-lazy-validation", "--no-liftoff-only", "--wasm-tier-up", "--wasm-dynamic-tiering"]) {
    v8.setFlagsFromString(flag);
  }
};
// As newer versions of Node have it. Without it, pg loads an HTTP client to find out what it runs on.
globalThis.navigator ??= { userAgent: "Node.js" };
process.on("SIGUSR2", () => {
  flags(false);
  // Last the libraries, whose code is what is waited for.
  for (const { script, kept } of scripts.reverse()) {
    fs.writeFileSync(kept + ".new", script.createCachedData());
    fs.renameSync(kept + ".new", kept);
  }
  flags(true);
});
const libraries = run(LIBRARIES, require);
run(path.join(__dirname, "worker.bundle.cjs"), (id) => {
  if (id in libraries) return libraries[id]();
  if (id.startsWith("@cedar-policy/")) flags(true);
  return require(id);
});
`;

/** Certificates of authorities, which no worker here looks at, take longer to read than Node takes to start. */
export function workerEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_EXTRA_CA_CERTS: undefined };
}

const OPTIONS = {
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  define: { "import.meta.url": "bundleUrl" },
  banner: { js: 'const bundleUrl = require("node:url").pathToFileURL(__filename).href;' },
  // Less to read for a process that lives a second.
  minifyWhitespace: true,
  logLevel: "error",
} satisfies BuildOptions;

/**
 * Bundles the worker of the source at `root`.
 *
 * @param normal the bundle of the unchanged source, whose libraries are taken
 */
export async function bundleWorker(root = ROOT, normal?: Bundle): Promise<Bundle> {
  const folder = await mkdtemp(join(tmpdir(), "signalbox-faults-worker-"));
  // Cedar's wasm is read from beside its own file.
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const { metafile } = await build({
    ...OPTIONS,
    absWorkingDir: root,
    entryPoints: [join(root, "test/faults/worker-process.ts")],
    outfile: join(folder, "worker.bundle.cjs"),
    conditions: ["signalbox-source", "module"],
    external: ["@cedar-policy/cedar-wasm", ...LIBRARIES],
    metafile: true,
  });
  const compiled = normal?.compiled ?? join(folder, "libraries.cjs.cache");
  const libraries = compiled.slice(0, -".cache".length);
  if (!normal) {
    const ids = new Set(Object.values(metafile.outputs).flatMap(({ imports }) => imports.map((found) => found.path)));
    await build({
      ...OPTIONS,
      stdin: {
        contents: `module.exports = { ${[...ids].filter(isLibrary).map(provide).join(", ")} };`,
        resolveDir: ROOT,
      },
      outfile: libraries,
      conditions: ["module"],
      external: ["pg-native"],
    });
  }
  const path = join(folder, "worker.cjs");
  await writeFile(path, LOADER.replace("LIBRARIES", JSON.stringify(libraries)));
  return { path, compiled, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

function isLibrary(id: string): boolean {
  return LIBRARIES.some((library) => id === library || (library.endsWith("*") && id.startsWith(library.slice(0, -1))));
}

function provide(id: string): string {
  return `${JSON.stringify(id)}: () => require(${JSON.stringify(id)})`;
}

/** What a worker is made of. */
const SOURCES = ["runtime", "agents", "tools", "memory", "console/server", "test", "package.json", "tsconfig.json"];

/**
 * Bundles a worker from a copy of the source with these changes.
 *
 * @param normal the bundle of the unchanged source
 * @throws if a patch's text is not in its file exactly once: then the source has changed, and the patch has to follow.
 */
export async function bundlePatched(patches: readonly Patch[], normal: Bundle): Promise<Bundle> {
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
    return await bundleWorker(copy, normal);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}
