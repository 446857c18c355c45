import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * Makes a program that plain Node runs, beside itself so that it finds the packages that it found before: no
 * contestant is slowed down by what compiles TypeScript while it runs.
 *
 * @returns its path
 */
export async function compiledProgram(program: URL): Promise<string> {
  const source = fileURLToPath(program);
  const outfile = join(dirname(source), "dist", `${basename(source, extname(source))}.mjs`);
  await build({
    absWorkingDir: ROOT,
    entryPoints: [source],
    outfile,
    bundle: true,
    packages: "external",
    alias: { signalbox: join(ROOT, "runtime/index.ts") },
    platform: "node",
    format: "esm",
    target: "node20",
    // For whoever asks where a line comes from; the program does not name it.
    sourcemap: "external",
    logLevel: "error",
  });
  return outfile;
}
