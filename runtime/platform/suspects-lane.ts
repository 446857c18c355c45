import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { workerNodeArgs } from "./worker-child.ts";

export interface SuspectsLaneOptions {
  /** The CLI's own script. */
  readonly main: string;
  /** `worker` and its options. */
  readonly args: readonly string[];
  /** At most so many processes at once. Default 4. */
  readonly most?: number;
  /** So long one is given to take what waits before the next one is started. Default 3,000 ms. */
  readonly staggerMs?: number;
}

/**
 * Processes beside a worker that take the runs which may have crashed one, each of them one at a time: if it dies as
 * well, it is known which run it was, and no other was harmed. They are started as long as such runs wait, and end by
 * themselves.
 */
export interface SuspectsLane extends AsyncDisposable {
  /** Such runs wait: what is there for them may not be enough. */
  wanted(): void;
}

/** After the death of a worker, one long call must not keep all its other runs waiting. */
const MOST = 4;
/** Longer than a process takes to start. */
const STAGGER_MS = 3_000;
/** More than its own time to drain. */
const STOP_WITHIN_MS = 20_000;

export function createSuspectsLane(options: SuspectsLaneOptions): SuspectsLane {
  const { main, args, most = MOST, staggerMs = STAGGER_MS } = options;
  const children = new Set<ChildProcess>();
  let startedMs = -Infinity;
  let closed = false;
  return {
    wanted() {
      const early = performance.now() - startedMs < staggerMs;
      if (closed || children.size >= most || (early && children.size > 0)) return;
      startedMs = performance.now();
      // The open stdin tells it that we live; it closes however we end.
      const child = spawn(process.execPath, [...workerNodeArgs(), main, ...args, "--suspects", "--with-parent"], {
        stdio: ["pipe", "ignore", "inherit"],
      });
      children.add(child);
      child.once("exit", () => children.delete(child));
      child.once("error", () => children.delete(child));
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      await Promise.all([...children].map(stop));
    },
  };
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
  await ended;
  clearTimeout(late);
}
