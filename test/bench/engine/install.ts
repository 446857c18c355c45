import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import bench from "../package.json" with { type: "json" };

const FOLDER = fileURLToPath(new URL("../", import.meta.url));

/** Installs what the benchmarks compare with and draw with, which the product does not have, unless it is there. */
export async function installBenchPackages(): Promise<void> {
  if (Object.keys(bench.dependencies).every((name) => existsSync(`${FOLDER}node_modules/${name}`))) return;
  process.stderr.write("installing what the benchmarks need (test/bench/package.json) ...\n");
  const npm = spawn("npm", ["ci", "--no-audit", "--no-fund"], { cwd: FOLDER, stdio: ["ignore", 2, 2] });
  const [code] = (await once(npm, "exit")) as [number | null];
  if (code !== 0) throw new Error(`npm ci in test/bench ended with ${String(code)}.`);
}
