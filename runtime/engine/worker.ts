import type { IncomingMail } from "../core/bus.ts";
import { ENDED_STATUSES, type RunEnd, type RunStatus } from "../core/events.ts";
import type { Claim, NewRun, RunHead } from "../core/journal.ts";
import { Attempt } from "./attempt.ts";
import { LeaseLostError, WorkerStoppingError } from "./errors.ts";
import { InOrder } from "./in-order.ts";
import { Intake } from "./intake.ts";
import { Leases } from "./leases.ts";
import { goOnWithQueue, receiveMail, type MailContext } from "./receive-mail.ts";
import { recordableError } from "./recordable-error.ts";
import { RunsUnderWay, type RunUnderWay } from "./runs-under-way.ts";
import { Sweeps } from "./sweeps.ts";
import { versionsOf, type WorkerOptions } from "./worker-options.ts";

/** So many crashes of workers that did nothing else, and a run is left alone until a person has looked at it. */
const SOLO_CRASHES = 3;
/** How long attempts that were cut off at the end of a drain may take to let go. */
const LET_GO_MS = 1_000;
/** How long the last statements of a worker may take. */
const LAST_WORDS_MS = 2_000;

/** What an attempt has brought a run to. */
interface Left {
  readonly status: RunStatus;
  /** Its last event, if it has ended. */
  readonly end: RunEnd | null;
}

/**
 * Takes runs and works on them. NATS tells it what is ready and brings messages; a sweep finds what NATS
 * lost, what timers are due, and what other workers left behind.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #runs = new RunsUnderWay();
  readonly #intake: Intake;
  readonly #leases: Leases;
  readonly #sweeps: Sweeps;
  readonly #mail: MailContext;
  readonly #stopping = new AbortController();
  /** The time to drain is up: what is still claimed is given back untouched. */
  #cutOff = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#intake = new Intake(options, this.#runs, this.#stopping.signal, (claim, underWay) =>
      this.#work(claim, underWay),
    );
    this.#leases = new Leases(options, this.#runs);
    this.#sweeps = new Sweeps(options, this.#runs, this.#intake);
    this.#mail = {
      ...options,
      maxMessages: options.limits.maxMessages,
      order: new InOrder(),
      begin: async (run) => {
        await this.#intake.begin(run);
      },
      take: (agent, run) => this.#intake.take(agent, [run]),
    };
  }

  /** Starts taking work. */
  async start(): Promise<void> {
    const { bus, agents, housekeeping, mailer, worker, limits, take } = this.#options;
    const { publicKey } = mailer;
    const versions = versionsOf(this.#options);
    await housekeeping.registerWorker({ worker, publicKey, leaseMs: limits.leaseMs, versions });
    await this.#sweeps.listen();
    // Before anything can be taken: a lease that nobody renews is lost in mid-call.
    this.#leases.start();
    // Hints and mail are for those who take whatever comes.
    for (const agent of take === "suspects" ? [] : agents.keys()) {
      await bus.onWake(agent, (runs) => this.#intake.take(agent, runs));
      await bus.onMail(agent, (mail) => this.#receive(agent, mail));
    }
    this.#sweeps.start();
  }

  /** The number of runs under way. */
  get busy(): number {
    return this.#runs.attempts().length;
  }

  /** True while it works on the run. */
  has(run: string): boolean {
    return this.#runs.get(run) !== undefined;
  }

  /** See {@link Intake.beginAtOnce}: of this worker's version of the agent. @throws {@link WorkerStoppingError} */
  beginAtOnce(run: NewRun, options?: { readonly linger?: boolean }): ReturnType<Intake["beginAtOnce"]> {
    return this.#intake.beginAtOnce(this.#own(run), options);
  }

  /** See {@link Intake.begin}: of this worker's version of the agent, if it takes it. @throws {@link WorkerStoppingError} */
  begin(run: NewRun): Promise<boolean> {
    return this.#intake.begin(this.#own(run));
  }

  #own(run: NewRun): NewRun {
    return { ...run, version: this.#options.agents.get(run.agent)?.version ?? null };
  }

  async #work(first: Claim, underWay: RunUnderWay): Promise<RunEnd | null> {
    let claim: Claim | null = first;
    while (claim) {
      const { run, agent }: RunHead = claim.head;
      const left = await this.#attempt(claim, underWay);
      if (left?.end) return left.end;
      // Something arrived while the run parked: go on at once.
      claim = left?.status === "ready" && !this.#stopping.signal.aborted ? await this.#intake.claim(run, agent) : null;
    }
    return null;
  }

  /** @returns what the attempt has brought the run to, or null if it was dropped. */
  async #attempt(claim: Claim, underWay: RunUnderWay): Promise<Left | null> {
    const { agents, journal, onTrouble } = this.#options;
    const { run } = claim.head;
    if (this.#isCutOff()) {
      await journal.release(claim.head);
      return null;
    }
    if (claim.soloCrashes >= SOLO_CRASHES) return { status: await this.#quarantine(claim), end: null };
    // Runs that are to be stopped are claimed whatever their version: their code is not needed, perhaps their tools.
    const agent = agents.get(claim.head.agent);
    let attempt: Attempt | undefined;
    try {
      attempt = await Attempt.open(claim, this.#options, agent ?? null);
      underWay.attempt = attempt;
      if (this.#isCutOff()) attempt.abort(new WorkerStoppingError("The worker stopped before the attempt had begun."));
      const status = await attempt.run(agent ?? null);
      if (attempt.queue !== null && ENDED_STATUSES.includes(status)) {
        this.#goOnWithQueue(claim.head.agent, attempt.queue);
      }
      return { status, end: attempt.ended };
    } catch (error) {
      // Not the run's failure but this attempt's: whoever holds the lease next goes on from the record.
      onTrouble("an attempt ended early", recordableError(error), { run });
      // What could not even be read is not given back at once: the next worker would fail on it as well.
      // A lease that ran out says nothing about the run.
      const endedEarly = !this.#cutOff && !(error instanceof LeaseLostError);
      if (attempt) await journal.release(claim.head, { endedEarly }).catch(() => undefined);
      return null;
    } finally {
      underWay.attempt = null;
    }
  }

  // A method, because the compiler does not believe that a property changes while we wait.
  #isCutOff(): boolean {
    return this.#cutOff;
  }

  /** Reads nothing of it: what crashes whoever works on the run may be its record. */
  #quarantine({ head, soloCrashes }: Claim): Promise<RunStatus> {
    const { journal, onTrouble } = this.#options;
    const message = `It crashed ${String(soloCrashes)} workers in a row, each while nothing else ran there. Nobody takes it before a person has looked at it.`;
    onTrouble("a run is in quarantine", { name: "Quarantined", message }, { run: head.run });
    const event = { type: "run_quarantined", data: { crashes: soloCrashes } } as const;
    return journal.append(head, [event], { status: "quarantined" }).durable;
  }

  async #receive(agent: string, mail: IncomingMail): Promise<void> {
    this.#intake.assertTaking();
    await receiveMail(this.#mail, agent, mail);
  }

  /** What is left of the queue whose run has just ended starts the next one. */
  #goOnWithQueue(agent: string, key: string): void {
    if (this.#stopping.signal.aborted || !this.#options.agents.has(agent)) return;
    this.#intake.aside("going on with a queue", () => goOnWithQueue(this.#mail, agent, key));
  }

  /**
   * Stops taking work and waits, at most `drainMs`, for what is under way. What is not done by then is cut
   * off as it stands: another worker goes on from the record.
   */
  async stop(drainMs: number): Promise<void> {
    this.#stopping.abort();
    this.#sweeps.stop();
    if (!(await within(drainMs, this.#idle()))) {
      this.#cutOff = true;
      const stopping = new WorkerStoppingError("The worker stopped before the attempt had ended.");
      for (const attempt of this.#runs.attempts()) attempt.abort(stopping);
      await within(LET_GO_MS, this.#idle());
    }
    const { housekeeping, worker, onTrouble } = this.#options;
    const gone = housekeeping.workerGone(worker).catch((error: unknown) => {
      onTrouble("saying goodbye", recordableError(error), {});
    });
    await within(LAST_WORDS_MS, Promise.all([this.#leases.stop(), gone]));
  }

  /** Resolves when nothing is under way. */
  async #idle(): Promise<void> {
    // First, because it takes work.
    await this.#sweeps.idle();
    await this.#intake.idle();
  }
}

/** True if it was done within this time; it must not fail. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => {
      resolve(false);
    }, ms);
  });
  try {
    return await Promise.race([work.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
