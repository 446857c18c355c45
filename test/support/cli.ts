import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const MAIN = fileURLToPath(new URL("../../runtime/cli/main.ts", import.meta.url));
// By its path, because a test may run the CLI in a folder that has no packages.
const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const FLAGS = ["--conditions=signalbox-source", "--import", TSX, "--no-turbo-inline-js-wasm-calls"];

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Default: the repository's root. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Runs the CLI from source, as its own process, with nothing of this test run's environment but PATH. */
export function signalbox(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { PATH = "", HOME = "" } = process.env;
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...FLAGS, MAIN, ...args],
      {
        cwd: options.cwd ?? fileURLToPath(new URL("../../", import.meta.url)),
        env: { PATH, HOME, NO_COLOR: "1", ...options.env },
        timeout: 60_000,
      },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === "number" ? error.code : -1) : 0;
        resolve({ code, stdout, stderr });
      },
    );
    child.stdin?.end(options.input ?? "");
  });
}
