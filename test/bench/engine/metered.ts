import { openConnection, type Connection } from "../../../runtime/journal/database.ts";
import { ContestantProcess } from "./contestant.ts";
import type { ContestantKind, Surroundings } from "./contestants.ts";
import { postgresCounts } from "./postgres-counters.ts";
import { compiledProgram } from "./programs.ts";
import type { Load } from "./serve.ts";
import type { BenchServers } from "./servers.ts";
import { stepCostOf, type StepCost } from "./step-cost.ts";

const WARM_UP_RUNS = 200;

export interface MeteredOptions {
  /** What its processes are told besides their surroundings. */
  readonly env?: Readonly<Record<string, string>>;
  readonly warmUpRuns?: number;
  /** What its runs are given while it warms up. */
  readonly input?: object;
  readonly stepsPerRun: number;
}

interface Parts {
  readonly program: string;
  readonly databaseUrl: string;
  readonly surroundings: Surroundings;
  readonly counter: Connection | null;
}

/** Processes of one contestant, with a database of their own, whose steps are measured. */
export class Metered implements AsyncDisposable {
  readonly processes: ContestantProcess[] = [];
  readonly #kind: ContestantKind;
  readonly #options: MeteredOptions;
  readonly #parts: Parts;
  #calls = 0;
  /** The memory of its largest process after the last measurement. */
  rssMb = NaN;

  private constructor(kind: ContestantKind, options: MeteredOptions, parts: Parts) {
    this.#kind = kind;
    this.#options = options;
    this.#parts = parts;
  }

  /** Starts one process, warmed up. */
  static async start(
    servers: Pick<BenchServers, "database" | "nats">,
    kind: ContestantKind,
    options: MeteredOptions,
  ): Promise<Metered> {
    const program = await compiledProgram(kind.program);
    const databaseUrl =
      kind.database === "none" ? "" : await servers.database(`bench_${kind.name.toLowerCase()}`, kind.database);
    const counter = databaseUrl === "" ? null : await openConnection({ url: databaseUrl });
    const surroundings = await kind.surroundings({ databaseUrl, nats: servers.nats });
    const metered = new Metered(kind, options, { program, databaseUrl, surroundings, counter });
    try {
      await metered.addProcess();
    } catch (error) {
      await metered[Symbol.asyncDispose]();
      throw error;
    }
    return metered;
  }

  get databaseUrl(): string {
    return this.#parts.databaseUrl;
  }

  async addProcess(): Promise<void> {
    const { program, surroundings } = this.#parts;
    const { env, input, warmUpRuns: runs = WARM_UP_RUNS, stepsPerRun } = this.#options;
    const started = await ContestantProcess.start(program, this.#kind.nodeArgs ?? [], { ...surroundings.env, ...env });
    this.processes.push(started);
    await started.tell({ kind: "warm", runs, ...(input ? { input } : {}) });
    this.#calls += runs * stepsPerRun;
  }

  /**
   * Runs, with this concurrency over all processes.
   *
   * @param stepsPerRun where the input asks for another number than usual
   * @param to a file for a CPU profile of the first process
   */
  async cost(load: Load, { stepsPerRun = this.#options.stepsPerRun, to = "" } = {}): Promise<StepCost> {
    const { counter } = this.#parts;
    const each: Load = { ...load, concurrency: load.concurrency / this.processes.length };
    const before = counter && (await postgresCounts(counter));
    const done = await Promise.all(
      this.processes.map((one, i) =>
        one.tell(to !== "" && i === 0 ? { kind: "profile", to, ...each } : { kind: "measure", ...each }),
      ),
    );
    const after = counter && (await postgresCounts(counter));
    this.rssMb = Math.max(...done.map(({ rssMb }) => rssMb));
    this.#calls += done.reduce((sum, { runs }) => sum + runs, 0) * stepsPerRun;
    return stepCostOf(done, { concurrency: load.concurrency, stepsPerRun }, before && after && { before, after });
  }

  /** Ends it, and looks at what it has left behind. @throws if the runs did not do what was asked */
  async check(): Promise<void> {
    await this.#close();
    await this.#kind.check?.(this.databaseUrl, { inAll: this.#calls });
  }

  async #close(): Promise<void> {
    for (const one of this.processes.splice(0)) await one.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.#parts.counter?.end();
    await this.#parts.surroundings[Symbol.asyncDispose]();
  }
}
