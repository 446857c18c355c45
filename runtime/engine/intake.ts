import type { RunEnd } from "../core/events.ts";
import type { AgentLimit, BegunClaim, Claim, Claimant, NewRun } from "../core/journal.ts";
import type { CompiledAgent } from "./compile-agent.ts";
import { WorkerStoppingError } from "./errors.ts";
import { recordableError } from "./recordable-error.ts";
import type { RunsUnderWay, RunUnderWay } from "./runs-under-way.ts";
import { Slots, type Slot } from "./slots.ts";
import { versionsOf, type WorkerOptions } from "./worker-options.ts";

/** The share of its slots that a worker gives to one of several agents: a slow one slows its askers, not the others. */
const SHARE = 0.75;

/** Works on a claimed run until its attempts end. @returns the run's last event, if it has ended here */
export type Work = (claim: Claim, underWay: RunUnderWay) => Promise<RunEnd | null>;

/** Takes runs into the slots of a worker: those that it is told of, those that lie ready, and those that it creates. */
export class Intake {
  readonly #options: WorkerOptions;
  readonly #runs: RunsUnderWay;
  readonly #stopping: AbortSignal;
  readonly #work: Work;
  readonly #slots: Slots;
  readonly #claimant: Claimant;
  readonly #limits: ReadonlyMap<string, AgentLimit>;
  readonly #mostOfOne: number;
  readonly #working = new Set<Promise<void>>();
  /** Claims that have been asked for: what comes of them is still this worker's to do, or to give back. */
  readonly #taking = new Set<Promise<void>>();
  /** More runs are ready than there were slots for: whoever frees a slot looks for them. */
  #backlog = false;
  /** Claims for all free slots, the last ones that were asked for. */
  #filling: Promise<void> = Promise.resolve();

  /** @param stopping aborted once nothing more is to be taken */
  constructor(options: WorkerOptions, runs: RunsUnderWay, stopping: AbortSignal, work: Work) {
    this.#options = options;
    this.#runs = runs;
    this.#stopping = stopping;
    this.#work = work;
    const { slots, agents, worker, limits, take } = options;
    this.#slots = new Slots(slots);
    this.#claimant = { worker, leaseMs: limits.leaseMs, versions: versionsOf(options), take };
    this.#limits = limitsOf(agents);
    this.#mostOfOne = agents.size > 1 ? Math.max(1, Math.floor(slots * SHARE)) : slots;
  }

  /** Claims one run, if it is ready and its agent may have one more under way. */
  async claim(run: string, agent: string): Promise<Claim | null> {
    const [claim] = await this.#options.journal.claim([run], this.#claimant, this.#limits.get(agent));
    return claim ?? null;
  }

  /**
   * Claims named runs and starts on them, as far as there are slots; resolves when the claims have been
   * tried, not when the runs end. What finds no slot is ready in the database, for whoever has one first.
   */
  async take(agent: string, runs: readonly string[]): Promise<void> {
    for (const run of runs) {
      const underWay = this.#runs.get(run);
      if (underWay) {
        underWay.hinted = true;
        underWay.attempt?.nodes.nudge();
        continue;
      }
      await this.#inSlot(agent, () => this.claim(run, agent));
    }
  }

  /**
   * Creates a run that was asked for. Without a slot for it, any worker that has one finds it.
   *
   * @returns false if it was there already
   */
  async begin(run: NewRun): Promise<boolean> {
    const { journal, worker, limits } = this.#options;
    if (this.#limits.has(run.agent)) {
      const created = await journal.create({ ...run, version: null });
      await this.take(run.agent, [run.run]);
      return created !== null;
    }
    let created: Claim | null = null;
    const taken = await this.#inSlot(run.agent, async () => {
      created = await journal.create(run, { worker, leaseMs: limits.leaseMs });
      return created;
    });
    // It belongs to the version that takes it, not to the one that the message came to.
    if (!taken) created = await journal.create({ ...run, version: null });
    return created !== null;
  }

  /**
   * Begins a run that nothing else may create (see `Journal.begin`) and starts on it, without waiting for the database.
   *
   * @returns when it is on disk; null where there is no slot for it, or it has to be counted first
   */
  async beginAtOnce(
    run: NewRun,
    options?: { readonly linger?: boolean },
  ): Promise<{ readonly recorded: Promise<void> } | null> {
    const { journal, worker, limits } = this.#options;
    if (this.#limits.has(run.agent)) return null;
    // Whoever looks for what lies ready has all free slots for as long as that takes, and mostly gives them back.
    if (this.#slots.free === 0) await this.#filling;
    const slot = this.#slotFor(run.agent);
    if (!slot) return null;
    let claim: BegunClaim | undefined;
    try {
      claim = journal.begin(run, { worker, leaseMs: limits.leaseMs }, options);
    } finally {
      if (claim) this.#start(claim, slot);
      else this.#free(slot, run.agent);
    }
    return { recorded: claim.recorded };
  }

  /** Claims runs for all free slots, and starts on them. @param graceMs how long a ready run is left to others */
  async fillSlots(graceMs: number): Promise<void> {
    const { journal } = this.#options;
    for (let olderThanMs = graceMs; !this.#stopping.aborted; olderThanMs = 0) {
      const slots = this.#slots.takeAll();
      const asked = slots.length;
      if (asked === 0) return;
      this.#backlog = false;
      const filling = this.#tracked(async () => {
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
      this.#filling = filling.catch(() => undefined);
      await filling;
      // Set meanwhile, where something came while the slots were taken for this.
      if (!this.#thereIsMore()) return;
    }
  }

  /** Does what nobody waits for, and what this worker still does before it stops. */
  aside(what: string, taking: () => Promise<void>): void {
    this.#report(what, this.#tracked(taking));
  }

  /** @throws {@link WorkerStoppingError}: what a stopping worker does not take is brought to another one. */
  assertTaking(): void {
    if (this.#stopping.aborted) throw new WorkerStoppingError("This worker is stopping and takes nothing more.");
  }

  /** Resolves when nothing is under way, and nothing on its way. */
  async idle(): Promise<void> {
    while (this.#working.size + this.#taking.size > 0) {
      await Promise.allSettled([...this.#working, ...this.#taking]);
    }
  }

  /** With a free slot, gets a run for it and starts on it. @returns false if there is no slot. */
  async #inSlot(agent: string, get: () => Promise<Claim | null>): Promise<boolean> {
    const slot = this.#slotFor(agent);
    if (!slot) return false;
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

  /** Without one, whoever frees a slot looks for what could not be taken. */
  #slotFor(agent: string): Slot | undefined {
    this.assertTaking();
    const slot = this.#roomFor(agent) > 0 ? this.#slots.take() : undefined;
    if (!slot) this.#backlog = true;
    return slot;
  }

  /** Works on a claimed run in the background. */
  #start(claim: Claim, slot: Slot): void {
    const { run, agent } = claim.head;
    const underWay = this.#runs.begin(run, agent);
    const work = this.#work(claim, underWay)
      .catch((error: unknown) => {
        this.#options.onTrouble("working on a run", recordableError(error), { run });
        return null;
      })
      .then((end) => {
        this.#runs.end(run, underWay);
        this.#free(slot, agent);
        this.#working.delete(work);
        // Now, because whoever is told may have the next one.
        if (end) this.#options.onEnded?.(run, end);
        // It may have parked just before that hint.
        if (underWay.hinted && !this.#stopping.aborted) this.#report("taking a run again", this.take(agent, [run]));
      });
    this.#working.add(work);
  }

  #free(slot: Slot, agent: string): void {
    // What an agent may not have more of waits in the database, where there is an end to look for: here.
    const shared = this.#mostOfOne < this.#options.slots && this.#roomFor(agent) <= 1;
    const bounded = this.#limits.has(agent) || shared;
    slot.free();
    if (this.#thereIsMore() || bounded) this.#report("taking what waited for a slot", this.fillSlots(0));
  }

  /** How many more runs of this agent the worker takes, as far as other agents are concerned. */
  #roomFor(agent: string): number {
    return this.#mostOfOne - this.#runs.countOf(agent);
  }

  #room(): Map<string, number> {
    return new Map([...this.#options.agents.keys()].map((agent) => [agent, this.#roomFor(agent)]));
  }

  // A method, because the compiler does not believe that a property changes while we wait.
  #thereIsMore(): boolean {
    return this.#backlog;
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
}

function limitsOf(agents: ReadonlyMap<string, CompiledAgent>): Map<string, AgentLimit> {
  return new Map(
    [...agents].flatMap(([name, { agent }]) =>
      agent.concurrency === undefined ? [] : [[name, { agent: name, atMost: agent.concurrency }] as const],
    ),
  );
}

const NO_SLOT: Slot = { free: (): void => undefined };
