import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Figures, Order } from "./figures.ts";
import type { SoakAgent } from "./project.ts";

/** How much of what a process writes to its standard error is kept, in characters. */
const LAST_WORDS = 2_000;
/** Longer than a worker takes to drain. */
const STOP_WITHIN_MS = 25_000;
const ANSWER_WITHIN_MS = 20_000;

/** A process that ended although nobody had asked it to, or otherwise than it was asked to. */
export interface Abort {
  readonly name: string;
  /** Its exit code, the signal that ended it, or that it did not end in time. */
  readonly how: string;
  /** The end of what it wrote to its standard error. */
  readonly said: string;
}

export interface SoakProgram {
  readonly name: string;
  readonly path: string;
  readonly nodeArgs: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly onAbort: (abort: Abort) => void;
}

/** A worker or console in a process of its own, whose end is noted unless we brought it about. */
export class SoakProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  /** How it may end now. */
  #mayEnd: "not" | "killed" | "well" = "not";
  #late = false;
  #said = "";

  private constructor({ name, path, nodeArgs, env, onAbort }: SoakProgram) {
    this.name = name;
    // Nothing of this process's surroundings: a DATABASE_URL of the developer's is none of its business.
    const surroundings = { PATH: process.env["PATH"], HOME: process.env["HOME"], NODE_ENV: "production" };
    this.#child = fork(path, [], {
      env: { ...surroundings, ...env },
      execArgv: [...nodeArgs, "--expose-gc"],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      // A group of its own: what stops this process at the keyboard must not reach it as a SIGINT.
      detached: true,
    });
    this.#child.stderr?.on("data", (words: Buffer) => {
      this.#said = `${this.#said}${words.toString()}`.slice(-LAST_WORDS);
      if (process.env["SOAK_LOG"] !== undefined) process.stderr.write(words);
    });
    this.#exited = once(this.#child, "close").then(() => {
      const { exitCode, signalCode } = this.#child;
      if (this.#mayEnd === "killed" && signalCode === "SIGKILL") return;
      if (this.#mayEnd === "well" && exitCode === 0) return;
      const how = this.#late
        ? `not within ${String(STOP_WITHIN_MS / 1_000)} s of its SIGTERM`
        : String(signalCode ?? exitCode);
      onAbort({ name, how, said: this.#said });
    });
  }

  /** @throws if it ends before it is ready */
  static async start(program: SoakProgram): Promise<SoakProcess> {
    const started = new SoakProcess(program);
    await Promise.race([
      once(started.#child, "message"),
      started.#exited.then(() => {
        throw new Error(`${program.name} did not start: ${started.#said}`);
      }),
    ]);
    return started;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it says of itself; null where it ends before, or says nothing for long. */
  async figures(): Promise<Figures | null> {
    if (!this.alive) return null;
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort();
    }, ANSWER_WITHIN_MS);
    const answer = once(this.#child, "message", { signal: late.signal }).then(
      ([said]: unknown[]) => said as Figures,
      () => null,
    );
    this.#tell({ kind: "figures" });
    const figures = await Promise.race([answer, this.#exited.then(() => null)]);
    clearTimeout(timer);
    return figures;
  }

  /** A worker starts this run by itself. */
  run(agent: SoakAgent, id: string): void {
    this.#tell({ kind: "run", agent, id });
  }

  #tell(order: Order): void {
    // It may just have been killed.
    if (this.#child.connected) this.#child.send(order, () => undefined);
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#mayEnd = "killed";
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** SIGTERM: it drains, and ends well. One that does not within its time is killed, and that is noted. */
  async stop(): Promise<void> {
    this.#mayEnd = "well";
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => {
      this.#late = true;
      this.#child.kill("SIGKILL");
    }, STOP_WITHIN_MS);
    await this.#exited;
    clearTimeout(late);
  }
}
