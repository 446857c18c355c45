import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import { Socket } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ServerFailedError } from "./errors.ts";
import type { KeeperReport, KeeperRequest, KeptProgram } from "./keeper-protocol.ts";

/** A program that the keeper runs. */
export interface KeptProcess {
  readonly pid: number;
  /** Resolves with how it ended: an exit code or a signal. Not at a stop by the keeper. */
  readonly ended: Promise<string>;
}

export interface KeeperOptions {
  readonly stateFile: string;
  /** Removed by the keeper once all its programs have stopped. */
  readonly filesToRemove: readonly string[];
  readonly logFile: string;
  /** Told when a program ended for good, or the keeper itself did. */
  readonly onLost: (error: ServerFailedError) => void;
}

interface Waiting {
  started(pid: number): void;
  failed(message: string): void;
  ended(status: string): void;
}

/** Our end of a keeper process: see `keeper.ts`. */
export class Keeper implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<string, Waiting>();
  readonly #gone: Promise<void>;
  #closing = false;
  #over = false;

  constructor(options: KeeperOptions) {
    const { program, flags } = keeperProgram();
    const log = openSync(options.logFile, "a", 0o600);
    // Its own session: a Ctrl-C in the terminal is for us, and we tell the keeper by closing the pipe.
    this.#child = spawn(process.execPath, [...flags, program, options.stateFile, ...options.filesToRemove], {
      detached: true,
      stdio: ["pipe", "pipe", log],
      cwd: "/",
      env: withoutNodeOptions(process.env),
    });
    closeSync(log);
    this.#gone = new Promise((resolve) => {
      const gone = (): void => {
        if (this.#over) return;
        this.#over = true;
        for (const waiting of this.#waiting.values()) waiting.failed("the process that keeps it ended");
        this.#waiting.clear();
        if (!this.#closing) options.onLost(keeperEnded());
        resolve();
      };
      this.#child.once("exit", gone);
      this.#child.once("error", gone);
    });
    // A write to a keeper that has just ended; its end is reported above.
    this.#child.stdin?.on("error", () => undefined);
    if (this.#child.stdout) {
      createInterface({ input: this.#child.stdout }).on("line", (line) => {
        this.#hear(JSON.parse(line) as KeeperReport, options);
      });
    }
  }

  /** Starts a program; rejects with {@link ServerFailedError} if it cannot be run at all. */
  async start(program: KeptProgram): Promise<KeptProcess> {
    let ended: (status: string) => void = () => undefined;
    const end = new Promise<string>((resolve) => (ended = resolve));
    const pid = await new Promise<number>((resolve, reject) => {
      if (this.#over) {
        reject(keeperEnded());
        return;
      }
      this.#waiting.set(program.name, {
        started: resolve,
        failed: (message) => {
          this.#waiting.delete(program.name);
          reject(
            new ServerFailedError(`${program.command} could not be run: ${message}.`, {
              details: { program: program.name },
            }),
          );
          ended(message);
        },
        ended,
      });
      this.#send({ do: "start", program });
    });
    return { pid, ended: end };
  }

  /** From now on the program is started again, a few times, should it end by itself. */
  guard(name: string): void {
    this.#send({ do: "guard", name });
  }

  /** Lets this process end although the keeper still runs: the keeper then stops the programs. */
  unref(): void {
    this.#child.unref();
    for (const stream of [this.#child.stdin, this.#child.stdout]) {
      // Pipes to child processes are sockets, which can be told not to keep the process alive.
      if (stream instanceof Socket) stream.unref();
    }
  }

  /** Stops all programs and resolves once they and the keeper have ended. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#child.ref();
    this.#child.stdin?.end();
    await this.#gone;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(request: KeeperRequest): void {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
  }

  #hear(report: KeeperReport, options: KeeperOptions): void {
    const waiting = this.#waiting.get(report.name);
    switch (report.told) {
      case "started":
        waiting?.started(report.pid);
        break;
      case "failed":
        waiting?.failed(report.message);
        break;
      case "exited":
        waiting?.ended(report.status);
        break;
      case "given_up":
        options.onLost(
          new ServerFailedError(
            `The private ${report.name} server ended again and again (last with ${report.status}). Read its log in the data folder, then start Signalbox again.`,
            { details: { program: report.name } },
          ),
        );
        break;
    }
  }
}

function keeperEnded(): ServerFailedError {
  return new ServerFailedError("The process that keeps the private servers ended. Start Signalbox again.");
}

/** The keeper's program, and the flags that Node needs to run it: in development it is TypeScript. */
function keeperProgram(): { program: string; flags: string[] } {
  if (!import.meta.url.endsWith(".ts")) return { program: sibling("keeper.js"), flags: [] };
  const loader = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return { program: sibling("keeper.ts"), flags: ["--import", loader] };
}

function sibling(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

/** Flags meant for the parent (a debugger's, a test runner's) are not for its keeper. */
function withoutNodeOptions(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...rest } = env;
  return rest;
}
