import { startRun } from "../../runtime/platform/start-run.ts";
import { cancelRun } from "../../runtime/operations/runs.ts";
import type { JournalEvent, RunStatus } from "../../runtime/core/events.ts";
import type { Principal } from "../../runtime/core/people.ts";
import { deliverIn } from "../../runtime/journal/deliver.ts";
import { expectedOf, type AgentName, type FaultAgent } from "./agents.ts";
import type { Bank, BankCall, Fate, Point } from "./bank.ts";
import type { Violation, ViolationKind } from "./case.ts";
import type { Books, Lane } from "./lane.ts";
import { OLGA } from "./operator.ts";
import type { Held } from "./postgres-proxy.ts";
import type { Random } from "./random.ts";
import { Together } from "./together.ts";
import { delay, holds, lookEvery } from "./wait.ts";
import type { WorkerOrders } from "./worker-process.ts";
import type { FaultWorker } from "./workers.ts";

export interface FaultRun {
  readonly run: string;
  readonly agent: AgentName;
  readonly id: string;
}

/** What a case does not promise, or promises beyond the usual. */
export interface Terms {
  /** An irreversible call without `reconcile` may be in doubt; the operator then settles it by what the bank says. */
  doubts: boolean;
  /** How many attempts each run takes exactly, where the case promises that. */
  attempts: number | null;
  /** The operator decides and answers by itself; otherwise the case does. */
  operator: boolean;
  /** What runs may end as. Only where that is "finished" alone does everything have to have happened. */
  ends: readonly RunStatus[];
  /** What the record says of each call agrees with the bank. */
  agrees: boolean;
}

/** How long a condition that the case itself brings about may take. */
const STEP_MS = 25_000;

/** One seed of one case: the runs that it starts, the harm that it does, and what it promises of them. */
export class Scene {
  readonly lane: Lane;
  readonly random: Random;
  readonly runs: FaultRun[] = [];
  readonly violations: Violation[] = [];
  readonly terms: Terms = {
    doubts: false,
    attempts: null,
    operator: true,
    ends: ["finished"],
    agrees: true,
  };
  /** Where the runs are; a case may bring books of its own. */
  books: Books;
  readonly #tag: string;
  readonly #agents: readonly FaultAgent[];
  readonly #together: Together;
  #asked = 0;
  #started = 0;
  readonly #cleanups: (() => Promise<void> | void)[] = [];
  readonly #checks: (() => Promise<void> | void)[] = [];

  /** @param agents the agents that its workers have */
  constructor(
    lane: Lane,
    random: Random,
    tag: string,
    agents: readonly FaultAgent[],
    together: Together = new Together(1),
  ) {
    this.#agents = agents;
    this.#together = together;
    this.lane = lane;
    this.random = random;
    this.books = lane.books;
    this.#tag = tag;
  }

  get bank(): Bank {
    return this.lane.bank;
  }

  readonly violated = (kind: ViolationKind, what: string): void => {
    this.violations.push({ kind, what });
  };

  owns(id: string): boolean {
    return this.runs.some((run) => id.startsWith(`${run.id}:`) || id.startsWith(`${run.id}.`));
  }

  /** Looked at once all runs have ended. */
  afterwards(check: () => Promise<void> | void): void {
    this.#checks.push(check);
  }

  async check(): Promise<void> {
    for (const check of this.#checks) await check();
  }

  /** Done at the end of the seed, whatever became of it. */
  cleanup(what: () => Promise<void> | void): void {
    this.#cleanups.push(what);
  }

  async cleanUp(): Promise<void> {
    for (const what of this.#cleanups.splice(0).reverse()) await what();
  }

  /** So many workers that run well and were told this, and no other. */
  workers(count: number, orders: Partial<WorkerOrders> = {}): Promise<FaultWorker[]> {
    return this.#shared(() => this.lane.exactly(count, { agents: this.#agents, ...orders }));
  }

  async worker(orders: Partial<WorkerOrders> = {}): Promise<FaultWorker> {
    const [worker] = await this.workers(1, orders);
    if (!worker) throw new Error("There is no worker.");
    return worker;
  }

  /** The worker with this process. */
  workerOf({ pid }: Pick<BankCall, "pid">): FaultWorker {
    const worker = this.lane.workers.find((candidate) => candidate.pid === pid);
    if (!worker) throw new Error(`There is no worker with the process ${String(pid)}.`);
    return worker;
  }

  /**
   * The first worker that sends this to Postgres is stopped there, see {@link PostgresProxy}; `hit` is called before
   * anything goes on.
   */
  async wire(
    side: "before" | "after",
    needles: readonly string[],
    hit: (held: Held, worker: FaultWorker) => void = () => undefined,
  ): Promise<{ readonly held: Held; readonly worker: FaultWorker }> {
    return new Promise((resolve) => {
      let first = true;
      for (const worker of this.lane.workers) {
        void worker.proxy.once(side, needles, (held) => {
          if (!first) {
            held.forward();
            return;
          }
          first = false;
          hit(held, worker);
          resolve({ held, worker });
        });
      }
    });
  }

  /** A worker beside those that run. */
  another(orders: Partial<WorkerOrders> = {}): Promise<FaultWorker> {
    return this.#shared(() => this.lane.add({ agents: this.#agents, ...orders }));
  }

  /** Seeds that go on together ask for workers in the same order, and all get the same. */
  #shared<T>(make: () => Promise<T>): Promise<T> {
    return this.#together.share(`workers ${String(this.#asked++)}`, make);
  }

  /** How many seeds go on at the same time, this one included. */
  get lookers(): number {
    return this.#together.size;
  }

  /** Waits until the seeds that go on with this one have come as far. */
  meet(): Promise<void> {
    return this.#together.meet();
  }

  /** Does something to what all seeds have in common: once, when all have come as far, or after so long. */
  async toAll<T>(what: string, act: () => Promise<T>, withinMs?: number): Promise<T> {
    await this.#together.meet(withinMs);
    return this.#together.share(what, act);
  }

  /**
   * Kills the worker that makes this call, which is held, once all are there; another one is left, or comes. That may
   * hit more runs than the one.
   */
  async killCaller(call: BankCall): Promise<void> {
    await this.meet();
    this.workerOf(call).kill();
    await this.survivor();
  }

  /** If all workers were killed, one more. */
  async survivor(): Promise<void> {
    // All that are to be killed now have been when this turn is over.
    await delay(0);
    const usable = this.lane.workers.filter(({ alive, spoilt }) => alive && !spoilt);
    const lost = this.lane.workers.length - usable.length;
    if (usable.length > 0) return;
    await this.#together.share(`survivor of ${String(lost)}`, () => this.lane.add({ agents: this.#agents }));
  }

  /** All workers are killed. */
  endWorkers(): Promise<void> {
    return this.toAll("workers end", () => this.lane.endWorkers());
  }

  /** No other seed waits for this one any more. */
  leave(): void {
    this.#together.leave();
  }

  /** @param forMs how long the run may take */
  async start(agent: AgentName, forMs?: number): Promise<FaultRun> {
    const id = this.#idOf(this.#started++);
    const { journal } = this.books;
    const { bus, project } = this.lane;
    const startedBy = { kind: "person", id: "ada" } as const;
    const deadline = forMs === undefined ? undefined : Date.now() + forMs;
    const { run } = await startRun({ journal, bus, config: project }, { agent, input: { id }, startedBy, deadline });
    const started = { run, agent, id };
    this.runs.push(started);
    return started;
  }

  /** A worker starts runs of this agent as a service does that it is a part of. @returns the ids that they have */
  runOn(worker: FaultWorker, agent: AgentName, count: number): string[] {
    const ids = Array.from({ length: count }, () => this.#idOf(this.#started++));
    for (const id of ids) worker.run(agent, id);
    return ids;
  }

  /** Those of such runs that are on record: what is promised of runs is promised of them. */
  async recorded(agent: AgentName, ids: readonly string[]): Promise<FaultRun[]> {
    const rows = await this.books.database.query<{ run: string; id: string }>(
      `select run_id as run, data::json -> 'input' ->> 'id' as id from events
       where type = 'run_started' and data::json -> 'input' ->> 'id' = any($1)`,
      [ids],
    );
    const found = rows.map((row) => ({ ...row, agent }));
    this.runs.push(...found);
    return found;
  }

  /** Starts a run whose call of this action is held at this point, see {@link hold}. */
  async startHeld(
    agent: AgentName,
    point: Point,
    action: string,
    forMs?: number,
  ): Promise<{ readonly run: FaultRun } & ReturnType<Scene["hold"]>> {
    // Before the run is started: it may be faster than whoever starts it.
    const hold = this.hold(point, { id: this.#idOf(this.#started) }, action);
    return { run: await this.start(agent, forMs), ...hold };
  }

  /** Starts a run that crashes every worker that makes this call of it, until it is mended. */
  startPoisoned(agent: AgentName, action: string, mended: () => boolean): Promise<FaultRun> {
    const id = this.#idOf(this.#started);
    this.bank.always(
      "before",
      (call) => call.id.startsWith(id) && call.id.endsWith(action),
      () => (mended() ? "go" : "die"),
    );
    return this.start(agent);
  }

  #idOf(n: number): string {
    return `${this.#tag}.${String(n)}`;
  }

  startAll(...agents: readonly AgentName[]): Promise<FaultRun[]> {
    return Promise.all(agents.map((agent) => this.start(agent)));
  }

  /** A call of this run at this point meets this fate. */
  at(
    point: Point,
    { id }: Pick<FaultRun, "id">,
    fate: (call: BankCall) => Promise<Fate> | Fate,
    action = "",
  ): Promise<BankCall> {
    return this.bank.once(point, (call) => call.id.startsWith(id) && call.id.endsWith(action), fate);
  }

  /** Any call of any run, at this point, of those that match: it is held until `release`. */
  hold(
    point: Point,
    run: Pick<FaultRun, "id">,
    action = "",
  ): { readonly held: Promise<BankCall>; readonly release: (fate?: Fate) => void } {
    let release: (fate?: Fate) => void = () => undefined;
    const fate = new Promise<Fate>((resolve) => {
      release = (given = "go") => {
        resolve(given);
      };
    });
    this.cleanup(() => {
      release();
    });
    return {
      held: this.at(point, run, () => fate, action),
      release: (given) => {
        release(given);
      },
    };
  }

  /** An operator cancels a run. */
  async cancel({ run }: FaultRun, by: Principal = OLGA): Promise<void> {
    const { database } = this.books;
    const woken = await cancelRun({ database, deliver: deliverIn }, by, { run, reason: "It is not wanted any more." });
    if (woken) this.lane.bus.wake(woken.agent, [woken.run]);
  }

  /** The events of a run. */
  events({ run }: Pick<FaultRun, "run">): Promise<JournalEvent[]> {
    return this.books.journal.read(run);
  }

  /** The runs that a run has asked. */
  async children({ run }: FaultRun): Promise<{ readonly run: string; readonly status: RunStatus }[]> {
    return this.books.database.query("select run_id as run, status from runs where parent_id = $1", [run]);
  }

  async status(run: FaultRun): Promise<RunStatus | undefined> {
    const [row] = await this.books.database.query<{ status: RunStatus }>("select status from runs where run_id = $1", [
      run.run,
    ]);
    return row?.status;
  }

  reach(run: FaultRun, ...statuses: readonly RunStatus[]): Promise<void> {
    return this.until(`${run.agent} is ${statuses.join(" or ")}`, async () => {
      const status = await this.status(run);
      return status !== undefined && statuses.includes(status);
    });
  }

  /** Waits for something that the case itself needs; if it never comes, the case is stuck. */
  async until(
    what: string,
    condition: () => boolean | Promise<boolean>,
    withinMs = STEP_MS,
    everyMs = lookEvery(this.lookers),
  ): Promise<void> {
    if (!(await holds(condition, withinMs, everyMs))) throw new NeverCame(what);
  }

  /** Waits for a promise of the case; if it never settles, the case is stuck. */
  async come<T>(what: string, promise: Promise<T>, withinMs = STEP_MS): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new NeverCame(what));
      }, withinMs);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits until a worker has been told what became of its leases since now. */
  async sees(worker: FaultWorker): Promise<void> {
    const { database } = this.books;
    const [now] = await database.query<{ at: Date }>("select clock_timestamp() as at");
    await this.until("a worker sees what became of its leases", async () => {
      const [row] = await database.query<{ alive: boolean }>(
        "select bool_or(seen_at > $2) as alive from workers where worker_id like $1",
        [`worker-${String(worker.pid)}-%`, now?.at],
      );
      return row?.alive === true;
    });
    worker.recovered();
  }

  expected(): Map<string, FaultRun> {
    return new Map(this.runs.flatMap((run) => expectedOf(run.agent, run.id).map((id) => [id, run] as const)));
  }
}

/** What a case waited for did not come. */
export class NeverCame extends Error {
  constructor(what: string) {
    super(`it never came that ${what}`);
  }
}
