import { WORKER_NODE_ARGS } from "../../runtime/platform/worker-child.ts";
import { freePort } from "../../runtime/stack/probe.ts";
import { compiledProgram } from "../bench/engine/programs.ts";
import type { Ground } from "./ground.ts";
import { RULES_PLACE } from "./project.ts";
import { SoakProcess, type Abort } from "./soak-process.ts";

export interface FleetOptions {
  readonly ground: Ground;
  /** How many workers are killed now and then, beside the one that never is. */
  readonly mortals: number;
  /** What the worker that is never killed leaks, in megabytes a minute. */
  readonly leakMb: number;
}

/** A console at an address that it keeps when it is started again. */
interface Console {
  readonly url: string;
  readonly port: number;
  process: SoakProcess;
}

/**
 * The processes of a deployment: workers, one more for runs that may have crashed one (where `signalbox worker` starts
 * such beside itself, and as long as there are such runs, here one stays), and two consoles. Of workers and consoles
 * one each lives from the beginning to the end, so that it can be seen what becomes of its memory; others are killed and
 * replaced.
 */
export class Fleet implements AsyncDisposable {
  readonly aborts: Abort[] = [];
  readonly lasting: SoakProcess;
  readonly suspects: SoakProcess;
  readonly consoles: readonly [lasting: Console, mortal: Console];
  readonly #mortals: SoakProcess[];
  readonly #makeWorker: (name: string) => Promise<SoakProcess>;
  readonly #makeConsole: (name: string, port: number) => Promise<SoakProcess>;
  #made: number;

  private constructor(parts: {
    lasting: SoakProcess;
    suspects: SoakProcess;
    mortals: SoakProcess[];
    consoles: readonly [Console, Console];
    aborts: Abort[];
    makeWorker: (name: string) => Promise<SoakProcess>;
    makeConsole: (name: string, port: number) => Promise<SoakProcess>;
  }) {
    this.lasting = parts.lasting;
    this.suspects = parts.suspects;
    this.consoles = parts.consoles;
    this.aborts = parts.aborts;
    this.#mortals = parts.mortals;
    this.#makeWorker = parts.makeWorker;
    this.#makeConsole = parts.makeConsole;
    this.#made = parts.mortals.length;
  }

  static async start({ ground, mortals, leakMb }: FleetOptions): Promise<Fleet> {
    const aborts: Abort[] = [];
    const onAbort = (abort: Abort): void => {
      aborts.push(abort);
      process.stderr.write(`${abort.name} ended otherwise than it was to: ${abort.how}\n${abort.said}\n`);
    };
    const [workerPath, consolePath] = await Promise.all(
      ["./worker-process.ts", "./console-process.ts"].map((file) => compiledProgram(new URL(file, import.meta.url))),
    );
    if (workerPath === undefined || consolePath === undefined) throw new Error("There are no programs.");
    const env = {
      DATABASE_URL: ground.url,
      NATS_URL: ground.nats.url,
      BANK: String(ground.bank.port),
      RULES: JSON.stringify(RULES_PLACE),
    };
    const worker = (name: string, more: Readonly<Record<string, string>> = {}): Promise<SoakProcess> =>
      SoakProcess.start({
        name,
        path: workerPath,
        nodeArgs: WORKER_NODE_ARGS,
        env: { ...env, TAKE: "sound", ...more },
        onAbort,
      });
    const makeConsole = (name: string, port: number): Promise<SoakProcess> =>
      SoakProcess.start({ name, path: consolePath, nodeArgs: [], env: { ...env, PORT: String(port) }, onAbort });
    const console = async (name: string): Promise<Console> => {
      const port = await freePort();
      return { url: `http://127.0.0.1:${String(port)}`, port, process: await makeConsole(name, port) };
    };
    return new Fleet({
      aborts,
      // One after the other: the first checks the rules for the others.
      lasting: await worker("worker that lasts", { LEAK_MB: String(leakMb) }),
      suspects: await worker("worker for suspects", { TAKE: "suspects" }),
      mortals: await Promise.all(Array.from({ length: mortals }, (_, i) => worker(`worker ${String(i + 1)}`))),
      consoles: [await console("console that lasts"), await console("console")],
      makeWorker: worker,
      makeConsole,
    });
  }

  /** Those that take whatever runs there are. */
  get workers(): readonly SoakProcess[] {
    return [this.lasting, ...this.#mortals];
  }

  /**
   * The processes whose memory is looked at. The one for suspects is not among them: it does nothing until a worker was
   * killed, and its like live no longer than there is something for them.
   */
  get lastingOnes(): ReadonlyMap<string, SoakProcess> {
    return new Map([
      ["worker", this.lasting],
      ["console", this.consoles[0].process],
    ]);
  }

  /** Ends one of those that may be, and starts another one in its place. */
  async replaceWorker(nth: number, how: "kill" | "stop"): Promise<void> {
    const place = nth % this.#mortals.length;
    await this.#mortals[place]?.[how]();
    this.#mortals[place] = await this.#makeWorker(`worker ${String(++this.#made)}`);
  }

  async restartConsole(how: "kill" | "stop"): Promise<void> {
    const [, mortal] = this.consoles;
    await mortal.process[how]();
    mortal.process = await this.#makeConsole(mortal.process.name, mortal.port);
  }

  /** All drain and end. */
  async stop(): Promise<void> {
    const all = [...this.workers, this.suspects, ...this.consoles.map((one) => one.process)];
    await Promise.all(all.filter(({ alive }) => alive).map((one) => one.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.workers, this.suspects, ...this.consoles.map((one) => one.process)];
    await Promise.all(all.filter(({ alive }) => alive).map((one) => one.kill()));
  }
}
