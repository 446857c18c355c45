import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { WASM_FLAG } from "./worker-child.ts";

export interface SuspectsLaneOptions {
  /** The CLI's own script. */
  readonly main: string;
  /** `worker` and its options. */
  readonly args: readonly string[];
}

/**
 * A process beside a worker that takes the runs which may have crashed one, one at a time: if it dies as well, it is
 * known which run it was, and no other was harmed. It is started when there are such runs, and ends by itself.
 */
export interface SuspectsLane extends AsyncDisposable {
  /** Makes sure that it runs. */
  wanted(): void;
}

/** More than its own time to drain. */
const STOP_WITHIN_MS = 20_000;

export function createSuspectsLane({ main, args }: SuspectsLaneOptions): SuspectsLane {
  let child: ChildProcess | undefined;
  let closed = false;
  return {
    wanted() {
      if (child || closed) return;
      const flags = process.execArgv.includes(WASM_FLAG) ? process.execArgv : [...process.execArgv, WASM_FLAG];
      // The open stdin tells it that we live; it closes however we end.
      const started = spawn(process.execPath, [...flags, main, ...args, "--suspects", "--with-parent"], {
        stdio: ["pipe", "ignore", "inherit"],
      });
      child = started;
      started.once("exit", () => {
        child = undefined;
      });
      started.once("error", () => {
        child = undefined;
      });
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      if (!child) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const late = setTimeout(() => child?.kill("SIGKILL"), STOP_WITHIN_MS);
      await ended;
      clearTimeout(late);
    },
  };
}
