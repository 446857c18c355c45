import { AsyncLocalStorage } from "node:async_hooks";
import { deferred } from "../core/deferred.ts";
import { effectNameOf } from "../core/effects.ts";
import type { AppendOptions } from "../core/journal.ts";
import type { NewEvent, Proposal, Wait } from "../core/events.ts";
import type { Attempt } from "./attempt.ts";
import { divergence } from "./divergence.ts";
import { EffectOutsideNodeError, type NonDeterminismError } from "./errors.ts";
import type { AttemptGraphs } from "./graph-scope.ts";
import { LONGEST_TIMER_MS } from "./longest-timer.ts";
import { StallWatch } from "./stall-watch.ts";

/** Where the code that runs now stands: inside a node execution, or where calls are refused. */
export type Place =
  | {
      readonly kind: "node";
      readonly execution: NodeExecution;
      /** What the node consists of: a graph that was added as a node is known by it. */
      readonly body: unknown;
      readonly graphs: AttemptGraphs;
    }
  | { readonly kind: "route"; readonly route: string };

export const currentPlace = new AsyncLocalStorage<Place | undefined>();

/** The node execution whose code is running. @throws {@link EffectOutsideNodeError} if there is none. */
export function currentExecution(action: string): NodeExecution {
  const place = currentPlace.getStore();
  if (place?.kind === "node") return place.execution;
  throw new EffectOutsideNodeError(
    place
      ? `${action} was called in the branch function ${place.route}. A branch function may only look at the state: make the call in a node and decide by what it recorded.`
      : `${action} was called outside a node. Calls go through the handles inside a running node, so that they are judged and recorded.`,
    { details: { action } },
  );
}

/** What a wait inside a node execution ends as: the wrapper turns it into LangGraph's interrupt. */
export class Parked extends Error {}

/** What the journal holds of a node execution that has not finished. */
export interface RecordedCalls {
  /** Calls that have an end, in the order of their ends. */
  readonly ends: readonly string[];
  /** Calls that have a start or are held, and have no end. */
  readonly open: readonly string[];
  /** Calls that ended before the node failed and was tried again: the body may ask for them. */
  readonly kept: ReadonlySet<string>;
}

/** A wait that ends by itself. */
export type TimedWait = Extract<Wait, { readonly dueAt: number }>;

/** What a sleep is called. */
export const SLEEP = "clock.sleep";

/** How long a node that waits only for a time stays where it is, instead of parking its run. */
const SOON_MS = 1_000;

/** A graph that runs inside a node. */
export interface InnerGraph {
  /** What its nodes still ask for is never heard of. */
  silence(): void;
}

/** How many turns of the event loop an interrupt has to come out of a node's code, once nothing else moves there. */
const TURNS_TO_SURFACE = 20;

/** A result on its way to the code: it arrives in its turn. */
export interface Handed<T> {
  readonly turn: Promise<T>;
  /** Resolves when its record is on disk. */
  readonly durable: Promise<unknown>;
}

/**
 * One run of one node's body, in one attempt.
 *
 * Results reach the body in the order in which the journal has them, one turn of the event loop apart, the
 * first time as in every replay, so that code which awaits several things at once takes the same course
 * each time. Calls that the journal does not know start only when the body has asked again for everything
 * that it does know.
 */
export class NodeExecution {
  readonly attempt: Attempt;
  readonly key: string;
  /** Recorded ends that the body has not been given yet, in recorded order. */
  readonly #ends: string[];
  /** Calls with a recorded beginning and no recorded end that the body has not asked for again. */
  readonly #unasked: Set<string>;
  readonly #kept: ReadonlySet<string>;
  readonly #claims = new Map<string, () => void>();
  readonly #nth = new Map<string, number>();
  readonly #waits = new Map<string, Wait>();
  /** Asks whose answers are not wanted any more. */
  readonly #unwanted = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Ends the waits for a turn, to ask again. */
  readonly #nudges = new Set<() => void>();
  readonly #calls = new Set<AbortController>();
  #cutOff = false;
  /** Calls that have been asked for and have neither been handed over nor are waiting. */
  #busy = 0;
  /** Calls that have passed into the gate and are not back: they may be touching the outside world. */
  #active = 0;
  #delivery: Promise<void> = Promise.resolve();
  /** What becomes of further calls: they pass, are refused because the node has ended, or are never heard of. */
  #further: "pass" | "refused" | "unheard" = "pass";
  #abandoned = false;
  /** The graphs that run inside this node. */
  readonly #inner = new Set<InnerGraph>();
  /** A graph inside this node waits for somebody or something else. */
  #innerWaits = false;
  /** LangGraph's interrupt was thrown into the body: from then on nothing that the body asks for is heard. */
  #interrupt: "none" | "thrown" | "surfaced" = "none";
  /** The calls that have to wait now because the body has not asked again for all that is recorded. */
  readonly #early = new Set<Proposal>();
  readonly #stall: StallWatch;
  readonly #replayed = deferred<undefined>();
  readonly #parked = deferred<never>();
  readonly #idle: (() => void)[] = [];
  readonly #quiet: (() => void)[] = [];

  constructor(attempt: Attempt, key: string, recorded: RecordedCalls) {
    this.attempt = attempt;
    this.key = key;
    this.#ends = [...recorded.ends];
    this.#unasked = new Set(recorded.open);
    this.#kept = recorded.kept;
    this.#stall = new StallWatch(attempt.limits.replayStallMs, {
      // A body that has asked for nothing else may be busy with code of its own: how long it may, the node's own limits say.
      stuck: () => this.#early.size > 0 && !this.#abandoned && (this.replaying || attempt.missingNode !== null),
      busy: () => !this.replaying && attempt.isBusyBeside(this),
      onStall: () => {
        this.fail(this.#diverged());
      },
    });
    this.#parked.promise.catch(() => undefined);
    if (!this.replaying) this.#replayed.resolve(undefined);
  }

  /** Rejects with {@link Parked} when nothing goes on any more and something waits. */
  get parked(): Promise<never> {
    return this.#parked.promise;
  }

  /** What becomes of a call that is asked for now. */
  get further(): "pass" | "refused" | "unheard" {
    return this.#further === "pass" && this.#interrupt !== "none" ? "unheard" : this.#further;
  }

  /** True if it, or a graph inside it, waits for somebody or something else. */
  get waiting(): boolean {
    return this.#waits.size > 0 || this.#innerWaits;
  }

  /** True while something that its body has asked for is not back. */
  get #undone(): boolean {
    // A graph in a node that is not listened to any more comes to no end: nothing in it is heard either.
    return this.#busy > 0 || (this.#inner.size > 0 && this.#further === "pass");
  }

  /** True once it has parked or was cut off: whatever its body does now is not for this attempt. */
  get abandoned(): boolean {
    return this.#abandoned;
  }

  /** True while the body has not asked again for everything that the journal holds of it. */
  get replaying(): boolean {
    return this.#ends.length > 0 || this.#unasked.size > 0;
  }

  /** What the execution waits for, once it has parked. */
  get waits(): Wait[] {
    return [...this.#waits.values()];
  }

  /** The number of this call among those of the same fingerprint. */
  nextNth(name: string, fingerprint: string): number {
    const key = `${name}\n${fingerprint}`;
    const nth = this.#nth.get(key) ?? 0;
    this.#nth.set(key, nth + 1);
    return nth;
  }

  /** Counts a call from the moment it is asked for until it is handed over, or waits. */
  async track<T>(proposal: Proposal, call: () => Promise<T>): Promise<T> {
    this.#busy++;
    if (this.#unasked.delete(proposal.effect)) this.#pump();
    try {
      return await call();
    } finally {
      this.#end();
    }
  }

  /** The recorded end of a call: resolves in its turn. */
  claim(proposal: Proposal): Promise<void> {
    if (this.#kept.has(proposal.effect)) return this.#deliver(() => undefined);
    return new Promise<void>((resolve) => {
      this.#claims.set(proposal.effect, () => {
        this.#early.delete(proposal);
        resolve();
      });
      this.#pump();
      if (this.#claims.has(proposal.effect)) this.#isEarly(proposal);
    });
  }

  #pump(): void {
    this.#stall.moved();
    for (let next = this.#ends[0]; next !== undefined; next = this.#ends[0]) {
      const claim = this.#claims.get(next);
      if (!claim) break;
      this.#ends.shift();
      this.#claims.delete(next);
      void this.#deliver(claim);
    }
    if (!this.replaying) {
      void this.#deliver(() => {
        this.#replayed.resolve(undefined);
      });
    }
  }

  /** Waits until the journal has nothing more to say of this execution, nor of one beside it that has not begun. */
  async live(proposal: Proposal): Promise<void> {
    if (this.replaying || this.attempt.missingNode !== null) this.#isEarly(proposal);
    await this.#replayed.promise;
    await this.attempt.allBegun;
    this.#early.delete(proposal);
  }

  #isEarly(proposal: Proposal): void {
    this.#early.add(proposal);
    this.#stall.start();
  }

  /**
   * Appends the end of a call and takes the call's turn in the same breath: what is recorded first is also
   * handed over first.
   */
  record<T>(events: readonly NewEvent[], ended: T, options?: AppendOptions): Handed<T> {
    const { durable } = this.attempt.append(events, options);
    const handed = deferred<T>();
    void this.#deliver(() => {
      handed.resolve(ended);
    });
    return { turn: handed.promise, durable };
  }

  /** The call waits for somebody or something else. Never resolves: the run parks and comes back later. */
  wait(wait: Wait): Promise<never> {
    this.#waits.set(wait.effect, wait);
    return this.hang();
  }

  /**
   * The call waits for a time. Resolves when the time has come and something else has kept the node going until then,
   * or it is soon; otherwise never, and the run parks.
   */
  async waitUntil(wait: TimedWait): Promise<void> {
    if (wait.dueAt <= this.attempt.now()) return;
    this.#waits.set(wait.effect, wait);
    this.#rest();
    this.#end();
    await new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const over = (): void => {
        clearTimeout(timer);
        if (timer) this.#timers.delete(timer);
        this.#nudges.delete(over);
        resolve();
      };
      const look = (): void => {
        if (timer) this.#timers.delete(timer);
        const leftMs = wait.dueAt - this.attempt.now();
        if (leftMs <= 0) {
          over();
          return;
        }
        timer = setTimeout(look, Math.min(Math.ceil(leftMs), LONGEST_TIMER_MS));
        this.#timers.add(timer);
      };
      if (wait.kind === "turn") this.#nudges.add(over);
      if (!this.#abandoned) look();
    });
    if (this.#abandoned) await new Promise<never>(() => undefined);
    this.#waits.delete(wait.effect);
    this.#busy++;
    this.#active++;
  }

  /** What these asks would say is not wanted any more. @returns what those of them wait for that have got so far */
  withdraw(effects: readonly string[]): Wait[] {
    return effects.flatMap((effect) => {
      this.#unwanted.add(effect);
      const wait = this.#waits.get(effect);
      this.#waits.delete(effect);
      return wait ?? [];
    });
  }

  isUnwanted(effect: string): boolean {
    return this.#unwanted.has(effect);
  }

  /** Whoever waits for a turn asks for it now. */
  nudge(): void {
    if (!this.#abandoned) for (const nudge of [...this.#nudges]) nudge();
  }

  /** The node has failed and runs again at that time: nothing more of it is for this attempt. */
  tryAgain(dueAt: number): void {
    this.#waits.clear();
    this.#waits.set(this.key, { kind: "retry", effect: this.key, dueAt });
    this.abandon();
  }

  /** A call begins: its signal aborts when the node is cut off, or the attempt is. */
  beginCall(): AbortController {
    const controller = this.attempt.beginCall();
    this.#calls.add(controller);
    if (this.#cutOff) controller.abort();
    return controller;
  }

  endCall(controller: AbortController): void {
    this.#calls.delete(controller);
    this.attempt.endCall(controller);
  }

  listenerFailed(error: unknown): void {
    this.attempt.listenerFailed(error);
  }

  /** The node has taken too long: its calls are cut off, and whether they happened is to be found out. */
  cutOff(): void {
    this.#cutOff = true;
    for (const controller of this.#calls) controller.abort();
  }

  /** True once calls may have failed for no other reason than that they were cut off. */
  get cut(): boolean {
    return this.#cutOff || this.attempt.stopping;
  }

  /** True while a call is under way, or is waited for. */
  get occupied(): boolean {
    return this.#busy > 0 || this.waiting || this.#inner.size > 0;
  }

  /** Leaves a call pending for good: whatever comes of it is not for this attempt. */
  hang(): Promise<never> {
    this.#rest();
    this.#end();
    return new Promise<never>(() => undefined);
  }

  /** One turn of the event loop for each result, in order. An abandoned execution is given nothing more. */
  #deliver(hand: () => void): Promise<void> {
    this.#delivery = this.#delivery.then(
      () =>
        new Promise<void>((resolve) => {
          setImmediate(() => {
            if (!this.#abandoned) hand();
            resolve();
          });
        }),
    );
    return this.#delivery;
  }

  /** Counts a call while it may touch the outside world or the journal. */
  async act<T>(work: () => Promise<T>): Promise<T> {
    this.#active++;
    try {
      return await work();
    } finally {
      this.#rest();
    }
  }

  #rest(): void {
    this.#active--;
    if (this.#active === 0) for (const resolve of this.#quiet.splice(0)) resolve();
  }

  /** Resolves when nothing of this execution is under way outside: everything that was started has its record. */
  async quiet(): Promise<void> {
    while (this.#active > 0) await new Promise<void>((resolve) => this.#quiet.push(resolve));
  }

  #end(): void {
    this.#busy--;
    this.#rested();
  }

  /** Something that the body had asked for is back, or waits. */
  #rested(): void {
    if (this.#undone) return;
    // Two turns: the body may ask for more with what it was just given.
    void this.#turns(2).then(() => {
      if (this.#undone) return;
      if (this.waiting && this.#further === "pass" && !this.#isSoonDue()) this.abandon();
      this.#release();
    });
  }

  async #turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.#deliver(() => undefined);
  }

  /** A graph begins to run inside this node. */
  enter(graph: InnerGraph): void {
    this.#inner.add(graph);
  }

  /** A graph inside this node has ended, or waits: then its code, too, is left where it stands. */
  leave(graph: InnerGraph, { waits }: { readonly waits: boolean }): void {
    this.#inner.delete(graph);
    if (waits) this.#innerWaits = true;
    this.#rested();
  }

  /** The body has come to one of its recorded interrupts again. */
  reached(interrupt: string): void {
    if (this.#unasked.delete(interrupt)) this.#pump();
  }

  /** LangGraph's interrupt is thrown into the body now. */
  interrupted(): void {
    if (this.#interrupt === "none") this.#interrupt = "thrown";
  }

  /** The interrupt has come out of the body, as it should. */
  surfaced(): void {
    this.#interrupt = "surfaced";
  }

  /**
   * A call was not heard. After an interrupt that is a call of code that runs beside it, which the interrupt
   * overtakes, or of code that caught it, which does not end by itself: then the execution fails.
   */
  turnedAway(caught: () => Error): void {
    if (this.#interrupt !== "thrown") return;
    void this.drained()
      .then(() => this.#turns(TURNS_TO_SURFACE))
      .then(() => {
        if (this.#interrupt === "thrown") this.fail(caught());
      });
  }

  /** True if something that the node waits for comes so soon that parking would not be worth its cost. */
  #isSoonDue(): boolean {
    const soon = this.attempt.now() + SOON_MS;
    return [...this.#waits.values()].some((wait) => "dueAt" in wait && wait.dueAt <= soon);
  }

  #release(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Resolves when every call that the body has asked for has come back or waits. */
  async drained(): Promise<void> {
    while (this.#undone && !this.#abandoned) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Resolves when every call that the body has asked for is done; rejects with {@link Parked} if one of them waits. */
  async settled(): Promise<void> {
    await this.drained();
    this.#dropLosers();
    if (this.waiting || this.#abandoned) {
      this.abandon();
      await this.#parked.promise;
    }
  }

  /** The body has returned: nobody waits any more for a sleep, or for a message, that lost a race. */
  #dropLosers(): void {
    for (const { kind, effect } of this.waits) {
      const sleeps = kind === "timer" && effectNameOf(effect) === SLEEP;
      if (!sleeps && kind !== "message") continue;
      const error = sleeps
        ? { name: "SleepDropped", message: "The node had ended before the time was over." }
        : { name: "ReceiveDropped", message: "The node had ended before a message came." };
      const via = sleeps ? "timer" : "withdrawn";
      const data = { effect, outcome: { ok: false, error }, ms: 0, via } as const;
      this.attempt.append([{ type: "effect_finished", data }]);
      this.#waits.delete(effect);
    }
  }

  /** Ends this attempt at the node without a result: its code is left where it stands and hears nothing more. */
  abandon(): void {
    this.fail(new Parked());
  }

  /** Like {@link abandon}; the error is for the wrapper, not for the body. */
  fail(error: Error): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    this.silence();
    this.#stall.stop();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#parked.reject(error);
    this.#release();
  }

  /** The body has returned: from here on every call of this execution is refused. */
  close(): void {
    if (this.#further === "pass") this.#further = "refused";
  }

  /** The node has failed, or the attempt is over: what its code still asks for is never heard of. */
  silence(): void {
    this.#further = "unheard";
    for (const graph of this.#inner) graph.silence();
    if (!this.#undone) this.#release();
  }

  /** @throws {@link NonDeterminismError} if the body ended without asking for something that is recorded. */
  assertAllClaimed(cause?: unknown): void {
    if (this.replaying) throw this.#diverged(cause);
  }

  #diverged(cause?: unknown): NonDeterminismError {
    const recorded = this.#ends[0] ?? [...this.#unasked][0] ?? this.attempt.missingNode?.effect;
    return divergence(this.attempt, { recorded, node: this.key, asked: [...this.#early].at(-1) ?? null, cause });
  }
}
