import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Answer, Done, Order } from "./serve.ts";

/** A process of a contestant, which does what it is told. */
export class ContestantProcess {
  readonly #child: ChildProcess;
  /** Rejects when the process ends. */
  readonly #gone: Promise<never>;
  versions: Readonly<Record<string, string>> = {};

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#gone = once(child, "exit").then(([code, signal]: unknown[]) => {
      throw new Error(`${child.spawnargs.at(-1) ?? ""} ended by itself (${String(code ?? signal)}).`);
    });
    this.#gone.catch(() => undefined);
  }

  /**
   * @param nodeArgs what Node is told
   * @throws if it ends, or fails, before it is ready
   */
  static async start(
    program: string,
    nodeArgs: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<ContestantProcess> {
    // Nothing of this process's surroundings: a DATABASE_URL of the developer's must not be measured.
    const surroundings = { PATH: process.env["PATH"], HOME: process.env["HOME"], NODE_ENV: "production" };
    const child = fork(program, [], { env: { ...surroundings, ...env }, execArgv: [...nodeArgs] });
    const contestant = new ContestantProcess(child);
    const ready = await contestant.#answer();
    if (ready.kind === "ready") contestant.versions = ready.versions;
    return contestant;
  }

  async #answer(): Promise<Answer> {
    const [answer] = (await Promise.race([once(this.#child, "message"), this.#gone])) as [Answer];
    if (answer.kind === "failed") throw new Error(answer.error);
    return answer;
  }

  async tell(order: Order): Promise<Done> {
    this.#child.send(order);
    const answer = await this.#answer();
    if (answer.kind !== "done") throw new Error("It said something else than that it is done.");
    return answer;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async close(): Promise<void> {
    const exited = once(this.#child, "exit");
    await this.tell({ kind: "close" }).catch(() => undefined);
    this.#child.kill("SIGKILL");
    await exited;
  }
}
