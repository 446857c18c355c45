import { execFile } from "node:child_process";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
  /** Ends the program with SIGTERM; it is waited for all the same. Aborted already: it is not started. */
  readonly signal?: AbortSignal | undefined;
}

/** A program ended with an error. `message` ends with the last of what it printed. */
export class ProgramFailed extends Error {}

/** Runs a program to its end and gives what it printed on standard output. */
export function runProgram(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { signal } = options;
  if (signal?.aborted === true) return Promise.reject(new ProgramFailed(`${command} was not started: stopped before.`));
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      child.kill();
    };
    const child = execFile(
      command,
      [...args],
      {
        cwd: options.cwd,
        env: options.env ?? process.env,
        timeout: options.timeoutMs ?? 10_000,
        maxBuffer: 64 * 1024 * 1024,
        encoding: "utf8",
      },
      (error, stdout, stderr) => {
        signal?.removeEventListener("abort", stop);
        if (!error) {
          resolve(stdout);
          return;
        }
        const said = lastLines(stderr.trim() === "" ? stdout : stderr, 5);
        const reason = said === "" ? error.message : said;
        reject(new ProgramFailed(`${command} failed: ${reason}`, { cause: error }));
      },
    );
    signal?.addEventListener("abort", stop);
  });
}

/** The last lines of a text that are not empty. */
export function lastLines(text: string, count: number): string {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count)
    .join("\n");
}
