import type { Bus, Envelope } from "../core/bus.ts";
import type { ErrorRecord } from "../core/errors.ts";
import { outcomeSchema, type RunStatus } from "../core/events.ts";
import type { Housekeeping } from "../core/housekeeping.ts";
import type { Claim, NewRun } from "../core/journal.ts";
import type { JsonValue } from "../core/json.ts";
import { Attempt, type AttemptServices } from "./attempt.ts";
import type { CompiledAgent } from "./compile-agent.ts";
import { BadMessageError, LeaseLostError, WorkerStoppingError } from "./errors.ts";
import type { Mailer } from "./mailer.ts";
import { recordableError } from "./recordable-error.ts";
import { Slots, type Slot } from "./slots.ts";

export interface WorkerOptions extends AttemptServices {
  readonly agents: ReadonlyMap<string, CompiledAgent>;
  readonly bus: Bus;
  readonly mailer: Mailer;
  readonly housekeeping: Housekeeping;
  /** How many runs may be under way at once. A parked run is not under way. */
  readonly slots: number;
  readonly sweepMs: number;
  readonly onTrouble: (what: string, error: ErrorRecord, details: Readonly<Record<string, JsonValue>>) => void;
}

/** How long a ready run is left to the worker that was told of it before a sweep takes it. */
const SWEEP_GRACE_MS = 250;
/** How long attempts that were cut off at the end of a drain may take to let go. */
const LET_GO_MS = 1_000;
/** How long the last statements of a worker may take. */
const LAST_WORDS_MS = 2_000;

/**
 * Takes runs and works on them. NATS tells it what is ready and brings messages; a sweep finds what NATS
 * lost, what timers are due, and what other workers left behind.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #slots: Slots;
  readonly #active = new Map<string, Attempt>();
  /** Runs under way here. If their leases have run out, they are renewed or lost, but not taken from ourselves. */
  readonly #mine = new Map<string, { hinted: boolean }>();
  readonly #working = new Set<Promise<void>>();
  /** Claims that have been asked for: what comes of them is still this worker's to do, or to give back. */
  readonly #taking = new Set<Promise<void>>();
  #stopping = false;
  /** The time to drain is up: what is still claimed is given back untouched. */
  #cutOff = false;
  /** More runs are ready than there were slots for: whoever frees a slot looks for them. */
  #backlog = false;
  #sweep: NodeJS.Timeout | null = null;
  #renew: NodeJS.Timeout | null = null;
  #sweeping: Promise<void> | null = null;
  #renewing: Promise<void> | null = null;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#slots = new Slots(options.slots);
  }

  /** Starts taking work. */
  async start(): Promise<void> {
    const { bus, agents, housekeeping, mailer, worker, limits, sweepMs } = this.#options;
    await housekeeping.registerWorker(worker, mailer.publicKey, [...agents.keys()]);
    // Before anything can be taken: a lease that nobody renews is lost in mid-call.
    this.#renew = setInterval(() => {
      this.#renewing ??= this.#renewLeases().finally(() => {
        this.#renewing = null;
      });
    }, limits.leaseMs / 3);
    for (const agent of agents.keys()) {
      await bus.onWake(agent, (runs) => this.#take(runs));
      await bus.onMail(agent, (message) => this.#receive(agent, message));
    }
    const sweep = (): void => {
      this.#sweeping ??= this.#sweepOnce().finally(() => {
        this.#sweeping = null;
      });
    };
    this.#sweep = setInterval(sweep, sweepMs);
    sweep();
  }

  /** The number of runs under way. */
  get busy(): number {
    return this.#active.size;
  }

  /**
   * Claims named runs and starts on them, as far as there are slots; resolves when the claims have been
   * tried, not when the runs end. What finds no slot is ready in the database, for whoever has one first.
   */
  async #take(runs: readonly string[]): Promise<void> {
    for (const run of runs) {
      const mine = this.#mine.get(run);
      if (mine) {
        mine.hinted = true;
        continue;
      }
      await this.#inSlot(async () => {
        const { journal, worker, limits } = this.#options;
        const [claim] = await journal.claim([run], worker, limits.leaseMs);
        return claim ?? null;
      });
    }
  }

  /** With a free slot, gets a run for it and starts on it. @returns false if there is no slot. */
  async #inSlot(get: () => Promise<Claim | null>): Promise<boolean> {
    this.#assertTaking();
    const slot = this.#slots.take();
    if (!slot) {
      this.#backlog = true;
      return false;
    }
    await this.#tracked(async () => {
      let claim: Claim | null = null;
      try {
        claim = await get();
      } finally {
        if (claim) this.#start(claim, slot);
        else this.#free(slot);
      }
    });
    return true;
  }

  /** Claims runs for all free slots, and starts on them. */
  async #fillSlots(graceMs: number): Promise<void> {
    const { journal, worker, limits, agents } = this.#options;
    for (let olderThanMs = graceMs; !this.#stopping; olderThanMs = 0) {
      const slots = this.#slots.takeAll();
      const asked = slots.length;
      if (asked === 0) return;
      this.#backlog = false;
      await this.#tracked(async () => {
        try {
          const mine = [...this.#mine.keys()];
          const claims = await journal.claimAny([...agents.keys()], worker, limits.leaseMs, asked, olderThanMs, mine);
          for (const claim of claims) this.#start(claim, slots.pop() ?? NO_SLOT);
          // As many as were asked for: there may be more.
          if (claims.length === asked) this.#backlog = true;
        } finally {
          for (const slot of slots) slot.free();
        }
      });
      // Set meanwhile, where something came while the slots were taken for this.
      if (!this.#thereIsMore()) return;
    }
  }

  // A method, because the compiler does not believe that a property changes while we wait.
  #thereIsMore(): boolean {
    return this.#backlog;
  }

  #isCutOff(): boolean {
    return this.#cutOff;
  }

  #free(slot: Slot): void {
    slot.free();
    if (this.#thereIsMore()) this.#report("taking what waited for a slot", this.#fillSlots(0));
  }

  /** For work that nobody waits for: what it could not do, the sweep does a little later. */
  #report(what: string, work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#options.onTrouble(what, recordableError(error), {});
    });
  }

  async #tracked(taking: () => Promise<void>): Promise<void> {
    const tracked = taking();
    this.#taking.add(tracked);
    try {
      await tracked;
    } finally {
      this.#taking.delete(tracked);
    }
  }

  /** What a stopping worker does not take is brought to another one. */
  #assertTaking(): void {
    if (this.#stopping) throw new WorkerStoppingError("This worker is stopping and takes nothing more.");
  }

  /** Works on a claimed run in the background. */
  #start(claim: Claim, slot: Slot): void {
    const { run } = claim.head;
    const mine = { hinted: false };
    this.#mine.set(run, mine);
    const work = this.#work(claim)
      .catch((error: unknown) => {
        this.#options.onTrouble("working on a run", recordableError(error), { run });
      })
      .finally(() => {
        this.#mine.delete(run);
        this.#free(slot);
        this.#working.delete(work);
        // It may have parked just before that hint.
        if (mine.hinted && !this.#stopping) this.#report("taking a run again", this.#take([run]));
      });
    this.#working.add(work);
  }

  async #work(first: Claim): Promise<void> {
    let claim: Claim | undefined = first;
    while (claim) {
      const status = await this.#attempt(claim);
      // Something arrived while the run parked: go on at once.
      claim =
        status === "ready" && !this.#stopping
          ? (await this.#options.journal.claim([claim.head.run], this.#options.worker, this.#options.limits.leaseMs))[0]
          : undefined;
    }
  }

  /** @returns the run's status after the attempt, or null if it was dropped. */
  async #attempt(claim: Claim): Promise<RunStatus | null> {
    const { agents, journal, onTrouble } = this.#options;
    const { run } = claim.head;
    const agent = agents.get(claim.head.agent);
    if (!agent || this.#isCutOff()) {
      await journal.release(claim.head);
      return null;
    }
    let attempt: Attempt | undefined;
    try {
      attempt = await Attempt.open(claim, this.#options);
      this.#active.set(run, attempt);
      if (this.#isCutOff()) attempt.abort(new WorkerStoppingError("The worker stopped before the attempt had begun."));
      return await attempt.run(agent);
    } catch (error) {
      // Not the run's failure but this attempt's: whoever holds the lease next goes on from the record.
      onTrouble("an attempt ended early", recordableError(error), { run });
      // What could not even be read is not given back at once: the next worker would fail on it as well.
      if (attempt) await journal.release(claim.head, { endedEarly: !this.#cutOff }).catch(() => undefined);
      return null;
    } finally {
      if (this.#active.get(run) === attempt) this.#active.delete(run);
    }
  }

  /** A message from another agent: an ask starts a run here, an answer goes to the run that waits for it. */
  async #receive(agent: string, message: unknown): Promise<void> {
    this.#assertTaking();
    try {
      const envelope = await this.#options.mailer.open(message, agent);
      if (envelope.kind === "ask") await this.#receiveAsk(envelope);
      else await this.#receiveAnswer(envelope);
      await this.#options.housekeeping.messageReceived(envelope.id);
    } catch (error) {
      if (!(error instanceof BadMessageError)) throw error;
      this.#options.onTrouble("a message was set aside", recordableError(error), { agent });
    }
  }

  async #receiveAsk(envelope: Envelope): Promise<void> {
    const { journal, worker, limits, agents } = this.#options;
    const agent = agents.get(envelope.to);
    if (!agent) throw new Error(`This worker does not run ${envelope.to}.`);
    const run: NewRun = {
      run: envelope.target,
      session: envelope.session,
      parent: envelope.run,
      agent: envelope.to,
      version: agent.version,
      key: null,
      startedBy: envelope.startedBy,
      depth: envelope.depth + 1,
      input: envelope.body,
      cause: {
        run: envelope.run,
        seq: envelope.cause.seq,
        hash: envelope.cause.hash,
        message: envelope.id,
        agent: envelope.from,
        effect: envelope.effect,
      },
    };
    // Without a slot the run is created all the same: then any worker that has one finds it.
    const taken = await this.#inSlot(() => journal.create(run, { worker, leaseMs: limits.leaseMs }));
    if (!taken) await journal.create(run);
  }

  async #receiveAnswer(envelope: Envelope): Promise<void> {
    const outcome = outcomeSchema.safeParse(envelope.body);
    if (!outcome.success) {
      throw new BadMessageError(`An answer to the run ${envelope.target} says neither that it went well nor why not.`, {
        details: { message: envelope.id },
      });
    }
    await this.#options.journal.deliver(envelope.target, {
      id: envelope.id,
      kind: "answer",
      data: {
        effect: envelope.effect,
        outcome: envelope.body,
        child: { run: envelope.run, seq: envelope.cause.seq, hash: envelope.cause.hash },
      },
    });
    await this.#take([envelope.target]);
  }

  async #renewLeases(): Promise<void> {
    const attempts = [...this.#active.values()];
    const { journal, worker, limits, housekeeping } = this.#options;
    try {
      if (attempts.length > 0) {
        const { held, gone, deadlineMs } = await journal.renew(
          attempts.map((attempt) => attempt.head),
          worker,
          limits.leaseMs,
        );
        for (const attempt of attempts) {
          if (held.has(attempt.head.run)) attempt.extend(deadlineMs);
          // One that has parked or ended meanwhile is over, and takes no notice. One whose row is held by something
          // else may be renewed next time: until then its deadline stands.
          else if (gone.has(attempt.head.run)) attempt.abort(lost(attempt));
        }
      }
      await housekeeping.workerSeen(worker);
    } catch (error) {
      this.#options.onTrouble("renewing leases", recordableError(error), { runs: attempts.length });
    }
  }

  /** What nobody told us: timers that are due, approvals that expired, runs and messages left lying. */
  async #sweepOnce(): Promise<void> {
    if (this.#stopping) return;
    const { housekeeping, mailer } = this.#options;
    try {
      await housekeeping.wakeDueRuns();
      await housekeeping.expireApprovals();
      await this.#fillSlots(SWEEP_GRACE_MS);
      mailer.send(await housekeeping.unreceivedMessages(), true);
    } catch (error) {
      this.#options.onTrouble("sweeping", recordableError(error), {});
    }
  }

  /**
   * Stops taking work and waits, at most `drainMs`, for what is under way. What is not done by then is cut
   * off as it stands: another worker goes on from the record.
   */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    if (this.#sweep) clearInterval(this.#sweep);
    if (!(await within(drainMs, this.#idle()))) {
      this.#cutOff = true;
      const stopping = new WorkerStoppingError("The worker stopped before the attempt had ended.");
      for (const attempt of this.#active.values()) attempt.abort(stopping);
      await within(LET_GO_MS, this.#idle());
    }
    if (this.#renew) clearInterval(this.#renew);
    const { housekeeping, worker, onTrouble } = this.#options;
    const gone = housekeeping.workerGone(worker).catch((error: unknown) => {
      onTrouble("saying goodbye", recordableError(error), {});
    });
    await within(LAST_WORDS_MS, Promise.all([this.#renewing, gone]));
  }

  /** Resolves when nothing is under way. */
  async #idle(): Promise<void> {
    while (this.#working.size + this.#taking.size > 0 || this.#sweeping !== null) {
      await Promise.allSettled([...this.#working, ...this.#taking, this.#sweeping]);
    }
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

const NO_SLOT: Slot = { free: (): void => undefined };

function lost(attempt: Attempt): LeaseLostError {
  return new LeaseLostError(
    `The lease on the run ${attempt.head.run} was lost: another worker has the run now. What this attempt did since its last record is not recorded.`,
    { details: { run: attempt.head.run } },
  );
}
