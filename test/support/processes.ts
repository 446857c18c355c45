import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { identify } from "../../runtime/stack/process-identity.ts";

export interface SpawnOptions {
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: NodeJS.ProcessEnv;
  /** Default: shown. */
  readonly stderr?: "inherit" | "pipe";
}

const FLAGS = ["--conditions=signalbox-source", "--import", "tsx"];

/** The words for a shell that run a TypeScript file of `test/support`; arguments may follow. In the repository's folder. */
export function supportCommand(file: string): string {
  const script = fileURLToPath(new URL(file, import.meta.url));
  return [process.execPath, ...FLAGS, script].map((word) => `'${word}'`).join(" ");
}

/** Runs a TypeScript file of `test/support` as a process, in a process group of its own. Its errors are shown. */
export function spawnSupport(
  file: string,
  args: readonly string[],
  { stderr = "inherit", ...options }: SpawnOptions = {},
): ChildProcess {
  const script = fileURLToPath(new URL(file, import.meta.url));
  return spawn(process.execPath, [...FLAGS, script, ...args], {
    stdio: ["ignore", "pipe", stderr],
    detached: true,
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    ...options,
  });
}

/** The first line that a process prints; rejects if it ends without one. */
export async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error("The process was started without a pipe to read from.");
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error("The process ended without printing a line.");
}

/** All that a process prints, until it ends. */
export async function allLines(child: ChildProcess): Promise<string[]> {
  if (!child.stdout) throw new Error("The process was started without a pipe to read from.");
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) lines.push(line);
  return lines;
}

/** Resolves once the condition holds. The test's own limit of time is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Resolves once none of the processes runs any more. */
export function untilGone(pids: readonly number[]): Promise<void> {
  return until(() => pids.every((pid) => identify(pid) === undefined));
}
