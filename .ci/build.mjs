// Builds everything that the package ships into `dist`: compiled TypeScript, the files that the code
// reads at run time, and the console's pages. A build that fails leaves the former `dist` alone. With
// `--if-stale` it builds only where `dist` is older than what it is made of.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const dist = path.join(root, "dist");
// Named after this process, so that two builds at once do not mix their files.
const next = path.join(root, `dist.${process.pid}.next`);
const former = path.join(root, `dist.${process.pid}.former`);

/** Folders whose SQL, Cedar policies, data and wordings are read from beside the compiled code. */
const FOLDERS = ["agents", "tools", "runtime", "memory", "console/server"];
const PAGES = path.join(root, "console/web");

try {
  if (!process.argv.includes("--if-stale") || (await isStale())) {
    await compile();
    await assertPathsRewritten();
    await copyAssets();
    await buildPages();
    await swap();
  }
} catch (error) {
  console.error(`signalbox: the build failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await rm(next, { recursive: true, force: true });
  await rm(former, { recursive: true, force: true });
}

/** Of folders, too: one changes when a file is taken out of it. */
async function isStale() {
  const built = await stat(path.join(dist, "runtime/cli/main.js")).catch(() => null);
  if (built === null) return true;
  const inFolders = await Promise.all(
    [...FOLDERS, "console/web"].map(async (folder) =>
      (await readdir(path.join(root, folder), { recursive: true }))
        .filter((name) => !name.split(path.sep).includes("node_modules"))
        .map((name) => path.join(folder, name)),
    ),
  );
  const made = [...inFolders.flat(), "package.json", "tsconfig.json", "tsconfig.build.json"];
  const times = await Promise.all(made.map(async (name) => (await stat(path.join(root, name))).mtimeMs));
  return times.some((time) => time > built.mtimeMs);
}

async function compile() {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const child = spawn(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", next], {
    cwd: root,
    stdio: "inherit",
  });
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (code !== 0) throw new Error("the compiler found errors (see above).");
  // npm makes a package's commands executable when it installs them; this is for running them from here.
  const main = path.join(next, "runtime/cli/main.js");
  if (existsSync(main)) await chmod(main, 0o755);
}

/** The compiler leaves the path of a dynamic import alone in a function that has `await using` (TypeScript 6.0). */
async function assertPathsRewritten() {
  for (const entry of await readdir(next, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".js")) continue;
    const file = path.join(entry.parentPath, entry.name);
    const left = /\bimport\("\.[^"]*\.ts"\)/.exec(await readFile(file, "utf8"));
    if (left)
      throw new Error(`${path.relative(next, file)} still has ${left[0]}: move it out of the function with "using".`);
  }
}

async function copyAssets() {
  for (const folder of FOLDERS) {
    const from = path.join(root, folder);
    if (!existsSync(from)) continue;
    for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || /\.tsx?$/.test(entry.name)) continue;
      const source = path.join(entry.parentPath, entry.name);
      const target = path.join(next, path.relative(root, source));
      await mkdir(path.dirname(target), { recursive: true });
      await copyFile(source, target);
    }
  }
}

async function buildPages() {
  if (!existsSync(path.join(PAGES, "index.html"))) return;
  const { build } = await import("vite");
  await build({
    root: PAGES,
    logLevel: "warn",
    build: { outDir: path.join(next, "console/web"), emptyOutDir: true },
  });
}

async function swap() {
  if (existsSync(dist)) await rename(dist, former);
  await rename(next, dist);
}
