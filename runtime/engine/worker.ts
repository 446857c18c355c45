import type { Bus, IncomingMail } from "../core/bus.ts";
import type { ErrorRecord } from "../core/errors.ts";
import { ENDED_STATUSES, type RunStatus } from "../core/events.ts";
import type { Housekeeping } from "../core/housekeeping.ts";
import type { AgentLimit, Claim, Claimant, NewRun, Take } from "../core/journal.ts";
import type { JsonValue } from "../core/json.ts";
import { Attempt, type AttemptServices } from "./attempt.ts";
import type { CompiledAgent } from "./compile-agent.ts";
import { LeaseLostError, WorkerStoppingError } from "./errors.ts";
import { InOrder } from "./in-order.ts";
import type { Mailer } from "./mailer.ts";
import { goOnWithQueue, receiveMail, type MailContext } from "./receive-mail.ts";
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
  /** Which runs it takes with regard to crashes. */
  readonly take: Take;
  /** Told, at each sweep, that runs wait which only a worker that takes suspects may have. */
  readonly onSuspects?: () => void;
  readonly onTrouble: (what: string, error: ErrorRecord, details: Readonly<Record<string, JsonValue>>) => void;
}

/** How long a ready run is left to the worker that was told of it before a sweep takes it. */
const SWEEP_GRACE_MS = 250;
/** So many crashes of workers that did nothing else, and a run is left alone until a person has looked at it. */
const SOLO_CRASHES = 3;
/** The share of its slots that a worker gives to one of several agents: a slow one slows its askers, not the others. */
const SHARE = 0.75;
const LISTEN_EVERY_MS = 3_600_000;
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
  readonly #order = new InOrder();
  readonly #claimant: Claimant;
  readonly #limits: ReadonlyMap<string, AgentLimit>;
  readonly #mostOfOne: number;
  readonly #active = new Map<string, Attempt>();
  /** Runs under way here. If their leases have run out, they are renewed or lost, but not taken from ourselves. */
  readonly #mine = new Map<string, { readonly agent: string; hinted: boolean }>();
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
  /** When it last swept, and from when on it frees what others have left behind (monotonic). */
  #sweptMs: number;
  #freeFromMs = 0;
  #listenedMs = 0;
  #renewing: Promise<void> | null = null;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { slots, agents, worker, limits, take } = options;
    this.#slots = new Slots(slots);
    this.#sweptMs = options.clock.monotonicMs();
    this.#claimant = {
      worker,
      leaseMs: limits.leaseMs,
      versions: new Map([...agents].map(([name, { version }]) => [name, version])),
      take,
    };
    this.#limits = limitsOf(agents);
    this.#mostOfOne = agents.size > 1 ? Math.max(1, Math.floor(slots * SHARE)) : slots;
  }

  /** Starts taking work. */
  async start(): Promise<void> {
    const { bus, agents, housekeeping, mailer, worker, limits, sweepMs, take } = this.#options;
    const { publicKey } = mailer;
    await housekeeping.registerWorker({
      worker,
      publicKey,
      leaseMs: limits.leaseMs,
      versions: this.#claimant.versions,
    });
    await this.#listen();
    // Before anything can be taken: a lease that nobody renews is lost in mid-call.
    this.#renew = setInterval(() => {
      this.#renewing ??= this.#renewLeases().finally(() => {
        this.#renewing = null;
      });
    }, limits.leaseMs / 3);
    // Hints and mail are for those who take whatever comes.
    for (const agent of take === "suspects" ? [] : agents.keys()) {
      await bus.onWake(agent, (runs) => this.#take(agent, runs));
      await bus.onMail(agent, (mail) => this.#receive(agent, mail));
    }
    const sweep = (): void => {
      this.#sweeping ??= this.#sweepOnce().finally(() => {
        this.#sweeping = null;
      });
    };
    this.#sweep = setInterval(sweep, sweepMs);
    sweep();
  }

  /** Makes known what its agents listen to; said again from time to time, because who is silent for long is forgotten. */
  async #listen(): Promise<void> {
    const { agents, messages, clock } = this.#options;
    this.#listenedMs = clock.monotonicMs();
    await messages.listen(
      [...agents.values()].map(({ agent: { name, on, queue } }) => ({ agent: name, topics: on, queue })),
    );
  }

  /** The number of runs under way. */
  get busy(): number {
    return this.#active.size;
  }

  /**
   * Claims named runs and starts on them, as far as there are slots; resolves when the claims have been
   * tried, not when the runs end. What finds no slot is ready in the database, for whoever has one first.
   */
  async #take(agent: string, runs: readonly string[]): Promise<void> {
    for (const run of runs) {
      const mine = this.#mine.get(run);
      if (mine) {
        mine.hinted = true;
        this.#active.get(run)?.nudge();
        continue;
      }
      await this.#inSlot(agent, async () => {
        const [claim] = await this.#options.journal.claim([run], this.#claimant, this.#limits.get(agent));
        return claim ?? null;
      });
    }
  }

  /** With a free slot, gets a run for it and starts on it. @returns false if there is no slot. */
  async #inSlot(agent: string, get: () => Promise<Claim | null>): Promise<boolean> {
    this.#assertTaking();
    const slot = this.#roomFor(agent) > 0 ? this.#slots.take() : undefined;
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
        else this.#free(slot, agent);
      }
    });
    return true;
  }

  /** How many more runs of this agent the worker takes, as far as other agents are concerned. */
  #roomFor(agent: string): number {
    let busy = 0;
    for (const mine of this.#mine.values()) if (mine.agent === agent) busy++;
    return this.#mostOfOne - busy;
  }

  #room(): Map<string, number> {
    return new Map([...this.#options.agents.keys()].map((agent) => [agent, this.#roomFor(agent)]));
  }

  /** Claims runs for all free slots, and starts on them. */
  async #fillSlots(graceMs: number): Promise<void> {
    const { journal } = this.#options;
    for (let olderThanMs = graceMs; !this.#stopping; olderThanMs = 0) {
      const slots = this.#slots.takeAll();
      const asked = slots.length;
      if (asked === 0) return;
      this.#backlog = false;
      await this.#tracked(async () => {
        try {
          const room = this.#room();
          const limits = [...this.#limits.values()];
          const claims = await journal.claimAny({ ...this.#claimant, limit: asked, olderThanMs, room, limits });
          for (const claim of claims) this.#start(claim, slots.pop() ?? NO_SLOT);
          // There may be more.
          if (claims.length > 0) this.#backlog = true;
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

  #free(slot: Slot, agent: string): void {
    // What an agent may not have more of waits in the database, where there is an end to look for: here.
    const bounded = this.#limits.has(agent) || this.#roomFor(agent) <= 1;
    slot.free();
    if (this.#thereIsMore() || bounded) this.#report("taking what waited for a slot", this.#fillSlots(0));
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
    const { run, agent } = claim.head;
    const mine = { agent, hinted: false };
    this.#mine.set(run, mine);
    const work = this.#work(claim)
      .catch((error: unknown) => {
        this.#options.onTrouble("working on a run", recordableError(error), { run });
      })
      .finally(() => {
        this.#mine.delete(run);
        this.#free(slot, agent);
        this.#working.delete(work);
        // It may have parked just before that hint.
        if (mine.hinted && !this.#stopping) this.#report("taking a run again", this.#take(agent, [run]));
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
          ? (await this.#options.journal.claim([claim.head.run], this.#claimant, this.#limits.get(claim.head.agent)))[0]
          : undefined;
    }
  }

  /** @returns the run's status after the attempt, or null if it was dropped. */
  async #attempt(claim: Claim): Promise<RunStatus | null> {
    const { agents, journal, onTrouble } = this.#options;
    const { run } = claim.head;
    if (this.#isCutOff()) {
      await journal.release(claim.head);
      return null;
    }
    if (claim.soloCrashes >= SOLO_CRASHES) return this.#quarantine(claim);
    // Runs that are to be stopped are claimed whatever their version: their code is not needed, perhaps their tools.
    const agent = agents.get(claim.head.agent);
    let attempt: Attempt | undefined;
    try {
      attempt = await Attempt.open(claim, this.#options, agent ?? null);
      this.#active.set(run, attempt);
      if (this.#isCutOff()) attempt.abort(new WorkerStoppingError("The worker stopped before the attempt had begun."));
      const status = await attempt.run(agent ?? null);
      if (attempt.queue !== null && ENDED_STATUSES.includes(status)) {
        this.#goOnWithQueue(claim.head.agent, attempt.queue);
      }
      return status;
    } catch (error) {
      // Not the run's failure but this attempt's: whoever holds the lease next goes on from the record.
      onTrouble("an attempt ended early", recordableError(error), { run });
      // What could not even be read is not given back at once: the next worker would fail on it as well.
      // A lease that ran out says nothing about the run.
      const endedEarly = !this.#cutOff && !(error instanceof LeaseLostError);
      if (attempt) await journal.release(claim.head, { endedEarly }).catch(() => undefined);
      return null;
    } finally {
      if (this.#active.get(run) === attempt) this.#active.delete(run);
    }
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
    this.#assertTaking();
    await receiveMail(this.#mailContext, agent, mail);
  }

  get #mailContext(): MailContext {
    return {
      ...this.#options,
      maxMessages: this.#options.limits.maxMessages,
      order: this.#order,
      begin: (run) => this.#begin(run),
      take: (agent, run) => this.#take(agent, [run]),
    };
  }

  /** What is left of the queue whose run has just ended starts the next one. */
  #goOnWithQueue(agent: string, key: string): void {
    if (this.#stopping || !this.#options.agents.has(agent)) return;
    this.#report(
      "going on with a queue",
      this.#tracked(() => goOnWithQueue(this.#mailContext, agent, key)),
    );
  }

  /** Creates a run that was asked for. Without a slot for it, any worker that has one finds it. */
  async #begin(run: NewRun): Promise<void> {
    const { journal, worker, limits } = this.#options;
    const limit = this.#limits.get(run.agent);
    if (limit) {
      await journal.create({ ...run, version: null });
      await this.#take(run.agent, [run.run]);
      return;
    }
    const taken = await this.#inSlot(run.agent, () => journal.create(run, { worker, leaseMs: limits.leaseMs }));
    // It belongs to the version that takes it, not to the one that the message came to.
    if (!taken) await journal.create({ ...run, version: null });
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
    const { housekeeping, mailer, take, onSuspects } = this.#options;
    try {
      await this.#lookForCancels();
      await housekeeping.wakeDueRuns();
      await this.#freeLeftBehind();
      await this.#options.turns.handOut();
      if (this.#options.clock.monotonicMs() - this.#listenedMs > LISTEN_EVERY_MS) await this.#listen();
      await housekeeping.expireApprovals();
      await this.#fillSlots(SWEEP_GRACE_MS);
      if (take === "sound" && (await housekeeping.suspectsWait(this.#claimant.versions))) onSuspects?.();
      for (const { message, copy } of await housekeeping.unreceivedMessages()) mailer.sendCopy(message, copy);
    } catch (error) {
      this.#options.onTrouble("sweeping", recordableError(error), {});
    }
  }

  /**
   * Runs of workers that are gone. A worker that was itself out of touch gives the others time to say that they are
   * there: they were most likely out of touch as well, and have not crashed.
   */
  async #freeLeftBehind(): Promise<void> {
    const { housekeeping, clock, worker, limits, sweepMs } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#sweptMs > limits.leaseMs / 3 + 2 * sweepMs) {
      this.#freeFromMs = nowMs + limits.leaseMs / 3;
      await housekeeping.workerSeen(worker);
    }
    this.#sweptMs = nowMs;
    if (nowMs < this.#freeFromMs) return;
    await housekeeping.freeLeftBehind([...this.#mine.keys()]);
  }

  /** Whoever cancels a run that is under way leaves a message for it, like everybody. */
  async #lookForCancels(): Promise<void> {
    if (this.#active.size === 0) return;
    const { journal, onTrouble } = this.#options;
    for (const run of await journal.withMail([...this.#active.keys()])) {
      await this.#active
        .get(run)
        ?.lookForCancel()
        .catch((error: unknown) => {
          onTrouble("looking for a cancel", recordableError(error), { run });
        });
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

function limitsOf(agents: ReadonlyMap<string, CompiledAgent>): Map<string, AgentLimit> {
  return new Map(
    [...agents].flatMap(([name, { agent }]) =>
      agent.concurrency === undefined ? [] : [[name, { agent: name, atMost: agent.concurrency }] as const],
    ),
  );
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
