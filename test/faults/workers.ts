import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { workerEnvironment } from "./bundle.ts";
import { PostgresProxy } from "./postgres-proxy.ts";
import type { AgentName } from "./agents.ts";
import type { Ran, WorkerLine, WorkerOrders } from "./worker-process.ts";

/** A worker process with a proxy of its own in front of Postgres. */
export class FaultWorker {
  readonly proxy: PostgresProxy;
  /** What it was told, for those who look for one like it. */
  readonly kind: string;
  readonly #child: ChildProcess;
  /** The runs that it was told to make and has said to have ended. */
  readonly ran: Ran[] = [];
  /** Resolves once it has said everything that it will ever say. */
  silent: Promise<void> = Promise.resolve();
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  /** Something was done to it for good, that a later seed must not find. */
  #harmed = false;
  /** It may not have noticed yet that it stood still. */
  #frozen = false;

  constructor(child: ChildProcess, proxy: PostgresProxy, kind: string) {
    this.kind = kind;
    this.#child = child;
    this.proxy = proxy;
    this.exited =
      child.exitCode !== null || child.signalCode !== null
        ? Promise.resolve(endOf(child))
        : once(child, "exit").then(() => endOf(child));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** True where a later seed needs another one. */
  get spoilt(): boolean {
    return this.#harmed || this.#frozen;
  }

  /** SIGKILL, in this very turn of the event loop. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  freeze(): void {
    this.#frozen = true;
    this.#child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  /** It has noticed since that it stood still. */
  recovered(): void {
    this.#frozen = false;
  }

  terminate(): void {
    this.#signal("SIGTERM");
  }

  /** The code that it has compiled so far is what later workers start with. */
  keepCompiled(): void {
    this.#signal("SIGUSR2");
  }

  setClock(clockMs: number): void {
    this.#harmed = true;
    this.#tell({ clockMs });
  }

  /** It starts a run as a service does that it is a part of. */
  run(agent: AgentName, id: string): void {
    this.#tell({ run: { agent, id } });
  }

  #tell(line: WorkerLine): void {
    this.#child.stdin?.write(`${JSON.stringify(line)}\n`);
  }

  /** Takes note of what it says from now on. */
  listen(lines: AsyncIterator<string>): void {
    this.silent = this.#listen(lines);
  }

  async #listen(lines: AsyncIterator<string>): Promise<void> {
    for (let line = await lines.next(); !line.done; line = await lines.next()) {
      this.ran.push(JSON.parse(line.value) as Ran);
    }
  }

  #signal(signal: NodeJS.Signals): void {
    this.#harmed = true;
    this.#child.kill(signal);
  }

  async end(): Promise<void> {
    this.kill();
    await this.exited;
    this.proxy.close();
  }
}

function endOf(child: ChildProcess): number | string {
  return child.exitCode ?? child.signalCode ?? "unknown";
}

/** How much of what a worker writes to its standard error is kept, in characters. */
const LAST_WORDS = 2_000;

interface Spare {
  readonly child: ChildProcess;
  /** The end of what it wrote to its standard error. */
  readonly lastWords: () => string;
  readonly lines: AsyncIterator<string>;
  readonly loaded: Promise<unknown>;
}

/** Loading a worker takes most of its start, so that some processes wait, loaded, to be told what they are. */
export class WorkerPool {
  readonly #bundle: string;
  readonly #spares: Spare[] = [];
  readonly #keep: number;

  constructor(bundle: string, keep: number) {
    this.#bundle = bundle;
    this.#keep = keep;
    this.#fill();
  }

  async take(kind: string, orders: WorkerOrders): Promise<FaultWorker> {
    const spare = this.#spares.shift() ?? this.#load();
    const [proxy] = await Promise.all([PostgresProxy.open(orders.databaseUrl), spare.loaded]);
    const worker = new FaultWorker(spare.child, proxy, kind);
    spare.child.stdin?.write(`${JSON.stringify({ ...orders, databaseUrl: proxy.url })}\n`);
    const line = await spare.lines.next();
    if (line.value !== "ready") {
      // Without a line it is about to end by itself, and how is what one wants to know.
      const end = line.done ? await worker.exited : `said ${line.value}`;
      await worker.end();
      throw new Error(`A worker did not start (${String(end)}): ${spare.lastWords()}`);
    }
    worker.listen(spare.lines);
    this.#fill();
    return worker;
  }

  #fill(): void {
    while (this.#spares.length < this.#keep) this.#spares.push(this.#load());
  }

  #load(): Spare {
    const child = spawn(process.execPath, [this.#bundle], {
      env: workerEnvironment(),
      stdio: ["pipe", "pipe", "pipe"],
      // A group of its own: what stops this process at the keyboard must not reach it as a SIGINT.
      detached: true,
    });
    child.stdin.on("error", () => undefined);
    let lastWords = "";
    child.stderr.on("data", (words: Buffer) => {
      lastWords = `${lastWords}${words.toString()}`.slice(-LAST_WORDS);
      if (process.env["FAULTS_LOG"] !== undefined) process.stderr.write(words);
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { child, lines, loaded: lines.next(), lastWords: () => lastWords };
  }

  close(): void {
    for (const { child } of this.#spares.splice(0)) child.kill("SIGKILL");
  }
}
