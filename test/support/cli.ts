import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The CLI as it is shipped, built from the source as it is now: see `build.ts`. */
export const MAIN = fileURLToPath(new URL("../../dist/runtime/cli/main.js", import.meta.url));

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

/** Runs the CLI as its own process, with nothing of this test run's environment but PATH. */
export function signalbox(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { PATH = "", HOME = "" } = process.env;
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
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
