import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { removeDataFolder } from "../../runtime/stack/index.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A newcomer's folder: the package as it would be published, and the files that the README tells to write. */
export interface NewcomersFolder extends AsyncDisposable {
  readonly path: string;
  command(name: string, ...args: readonly string[]): Promise<Finished>;
}

/** Packs the package, installs the tarball in an empty folder, and copies the README's files into it. */
export async function newcomersFolder(): Promise<NewcomersFolder> {
  const path = await mkdtemp(join(tmpdir(), "signalbox-newcomer-"));
  // `dist` was built by `npm ci`; building it again here would change it under other tests.
  const packed = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", path], { cwd: ROOT });
  const [tarball] = JSON.parse(packed.stdout) as { filename: string }[];
  await writeFile(join(path, "package.json"), JSON.stringify({ name: "newcomer", private: true, type: "module" }));
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", join(path, tarball?.filename ?? "")], {
    cwd: path,
  });
  for (const [name, text] of await readmeFiles()) await writeFile(join(path, name), text);
  return {
    path,
    async command(name, ...args) {
      try {
        const { stdout, stderr } = await run(name, args, { cwd: path, env: environment(), timeout: 90_000 });
        return { code: 0, stdout, stderr };
      } catch (error) {
        const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string };
        return { code: typeof code === "number" ? code : -1, stdout: stdout ?? "", stderr: stderr ?? "" };
      }
    },
    async [Symbol.asyncDispose]() {
      // The servers' data may be elsewhere: where the user that they run as can read it.
      await removeDataFolder(join(path, ".signalbox"));
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** The files that "Your first agent" shows, by the name in the comment before each. */
export async function readmeFiles(): Promise<Map<string, string>> {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const blocks = readme.matchAll(/<!-- first-agent: (\S+) -->\s*```\w+\n([\s\S]*?)```/g);
  return new Map([...blocks].map(([, name = "", text = ""]) => [name, text]));
}

/** Nothing of the test run's own servers or conditions. */
function environment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, XDG_CACHE_HOME } = process.env;
  return Object.fromEntries(
    Object.entries({ PATH, HOME, TMPDIR, XDG_CACHE_HOME }).filter(([, value]) => value !== undefined),
  );
}
