import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Answer, Done, Order } from "./serve.ts";

/** A process of a contestant, which does what it is told. */
export class ContestantProcess {
  readonly #child: ChildProcess;
  versions: Readonly<Record<string, string>> = {};

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @throws if it ends, or fails, before it is ready */
  static async start(program: URL, env: Readonly<Record<string, string>>): Promise<ContestantProcess> {
    // Nothing of this process's surroundings: a DATABASE_URL of the developer's must not be measured.
    const surroundings = { PATH: process.env["PATH"], HOME: process.env["HOME"], NODE_ENV: "production" };
    const child = fork(fileURLToPath(program), [], { env: { ...surroundings, ...env } });
    const contestant = new ContestantProcess(child);
    const ready = await contestant.#answer();
    if (ready.kind === "ready") contestant.versions = ready.versions;
    return contestant;
  }

  async #answer(): Promise<Answer> {
    const gone = once(this.#child, "exit").then(([code, signal]: unknown[]) => {
      throw new Error(`${this.#child.spawnargs.at(-1) ?? ""} ended by itself (${String(code ?? signal)}).`);
    });
    gone.catch(() => undefined);
    const [answer] = (await Promise.race([once(this.#child, "message"), gone])) as [Answer];
    if (answer.kind === "failed") throw new Error(answer.error);
    return answer;
  }

  async tell(order: Order): Promise<Done> {
    this.#child.send(order);
    const answer = await this.#answer();
    if (answer.kind !== "done") throw new Error("It said something else than that it is done.");
    return answer;
  }

  async close(): Promise<void> {
    const exited = once(this.#child, "exit");
    await this.tell({ kind: "close" }).catch(() => undefined);
    this.#child.kill("SIGKILL");
    await exited;
  }
}
