import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

/** Without this, Node 20 aborts in code that V8 has optimised around Cedar's wasm. */
export const WASM_FLAG = "--no-turbo-inline-js-wasm-calls";

export interface WorkerChildOptions {
  /** The CLI's own script. */
  readonly main: string;
  readonly configPath: string;
  readonly dataDir: string;
  /** More options of `signalbox worker`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A worker in a process of its own that is started again whenever it dies. */
export interface WorkerChild {
  /** The process that runs now; undefined for a moment while it is started again. */
  readonly pid: number | undefined;
  /** How many times it was started again. */
  readonly restarts: number;
  /** SIGKILL, as a crash would: for those who want to see what happens then. */
  kill(): void;
  stop(): Promise<void>;
}

const RESTART_MS = 300;

/** Starts a worker process; its log goes to the data folder. It ends when this process ends. */
export async function startWorkerChild(options: WorkerChildOptions): Promise<WorkerChild> {
  const logs = join(options.dataDir, "logs");
  await mkdir(logs, { recursive: true });
  const log = createWriteStream(join(logs, "workers.log"), { flags: "a" });
  let child: ChildProcess | undefined;
  let restarts = 0;
  let stopping = false;

  const launch = (): void => {
    const flags = process.execArgv.includes(WASM_FLAG) ? process.execArgv : [...process.execArgv, WASM_FLAG];
    const started = spawn(
      process.execPath,
      [
        ...flags,
        options.main,
        "worker",
        "--config",
        options.configPath,
        "--data",
        options.dataDir,
        "--with-parent",
        ...(options.args ?? []),
      ],
      // The open stdin tells the worker that we live; it closes however we end.
      { stdio: ["pipe", "ignore", "pipe"], env: { ...process.env, SIGNALBOX_DATA: options.dataDir, ...options.env } },
    );
    started.stderr.pipe(log, { end: false });
    started.once("exit", () => {
      child = undefined;
      if (stopping) return;
      restarts++;
      setTimeout(() => {
        if (!stopping) launch();
      }, RESTART_MS);
    });
    child = started;
  };
  launch();
  return {
    get pid() {
      return child?.pid;
    },
    get restarts() {
      return restarts;
    },
    kill() {
      child?.kill("SIGKILL");
    },
    async stop() {
      stopping = true;
      if (child) {
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        await ended;
      }
      log.end();
    },
  };
}
