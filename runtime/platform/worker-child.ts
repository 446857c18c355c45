import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";

/**
 * What a worker's Node is told. Without the first, Node 20 aborts in code that V8 has optimised around Cedar's wasm. The
 * second gives what a busy worker has under way room to die young: a tenth of a step's time is garbage without it.
 */
export const WORKER_NODE_ARGS = ["--no-turbo-inline-js-wasm-calls", "--max-semi-space-size=32"];

/** These arguments, and those of a worker that nobody has set otherwise. */
export function workerNodeArgs(given: readonly string[] = process.execArgv): string[] {
  const set = new Set([...given, ...(process.env["NODE_OPTIONS"] ?? "").split(/\s+/)].map(nameOf));
  return [...given, ...WORKER_NODE_ARGS.filter((arg) => !set.has(nameOf(arg)))];
}

/** V8 takes both signs, and so do we. */
function nameOf(arg: string): string {
  return (arg.split("=")[0] ?? "").replaceAll("_", "-");
}

export interface WorkerChildOptions {
  /** The CLI's own script. */
  readonly main: string;
  /** What Node is told; by default the same as this process. */
  readonly nodeArgs?: readonly string[] | undefined;
  readonly configPath: string;
  readonly dataDir: string;
  /** More options of `signalbox worker`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** After how long of taking runs a worker's end is no sign of a bad start. Default 10,000 ms. */
  readonly livedMs?: number;
  /** Told of a worker that ended without being asked to, and when it is started again. */
  readonly onDeath?: (death: WorkerDeath) => void;
}

export interface WorkerDeath {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** How long it had lived. */
  readonly aliveMs: number;
  /** When it is started again. */
  readonly againInMs: number;
  readonly log: string;
  /** The error that it ended with, in its own words; null if it said none. */
  readonly said: string | null;
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
const LONGEST_RESTART_MS = 30_000;
/** What a worker sends the process that started it, once it takes runs. */
export const WORKER_READY = "ready";
/** A worker that has taken runs for so long had started well: what ended it is news. */
const LIVED_MS = 10_000;
/** How long what a dead worker said may still be on its way. */
const LAST_WORDS_MS = 200;
/** More than the worker's own time to drain. */
const STOP_WITHIN_MS = 20_000;

/** Starts a worker process; its log goes to the data folder. It ends when this process ends. */
export async function startWorkerChild(options: WorkerChildOptions): Promise<WorkerChild> {
  const logs = join(options.dataDir, "logs");
  await mkdir(logs, { recursive: true });
  const logFile = join(logs, "workers.log");
  const log = createWriteStream(logFile, { flags: "a" });
  let child: ChildProcess | undefined;
  let restarts = 0;
  let stopping = false;
  /** Deaths in a row soon after the start. */
  let early = 0;

  const launch = (): void => {
    const startedAt = performance.now();
    const started = spawn(
      process.execPath,
      [
        ...workerNodeArgs(options.nodeArgs),
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
      {
        stdio: ["pipe", "ignore", "pipe", "ipc"],
        env: { ...process.env, SIGNALBOX_DATA: options.dataDir, ...options.env },
      },
    );
    let readyAt: number | null = null;
    started.on("message", (message) => {
      if (message === WORKER_READY) readyAt = performance.now();
    });
    const { stderr } = started;
    if (!stderr) throw new Error("A worker's standard error is a pipe.");
    stderr.pipe(log, { end: false });
    let said: string | null = null;
    createInterface({ input: stderr }).on("line", (line) => {
      const text = stripVTControlCharacters(line);
      if (text.startsWith("error ")) said = text.slice("error ".length);
    });
    started.once("exit", (code, signal) => {
      child = undefined;
      if (stopping) return;
      restarts++;
      const aliveMs = performance.now() - startedAt;
      // Killed from outside, it starts again at once; what fails by itself at every start is given time.
      const lived = readyAt !== null && performance.now() - readyAt >= (options.livedMs ?? LIVED_MS);
      early = signal === null && !lived ? early + 1 : 0;
      const againInMs = Math.min(RESTART_MS * 2 ** Math.max(0, early - 1), LONGEST_RESTART_MS);
      // What it said last may come after its end; but a process of its own may hold the pipe open for long.
      void Promise.race([once(started, "close"), delay(LAST_WORDS_MS)]).then(() => {
        if (!stopping) options.onDeath?.({ code, signal, aliveMs, againInMs, log: logFile, said });
      });
      setTimeout(() => {
        if (!stopping) launch();
      }, againInMs);
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
        const late = setTimeout(() => child?.kill("SIGKILL"), STOP_WITHIN_MS);
        await ended;
        clearTimeout(late);
      }
      log.end();
    },
  };
}
