import { deferred } from "../core/deferred.ts";
import { effectNameOf } from "../core/effects.ts";
import type { NewEvent, Proposal, Wait } from "../core/events.ts";
import type { AppendOptions } from "../core/journal.ts";
import type { Attempt } from "./attempt.ts";
import { CallSignals } from "./call-signals.ts";
import { Delivery } from "./delivery.ts";
import { divergence } from "./divergence.ts";
import type { NonDeterminismError } from "./errors.ts";
import type { RecordedCalls } from "./frontier.ts";
import { NodeReplay } from "./node-replay.ts";
import { NodeWaits, SLEEP, type TimedWait } from "./node-waits.ts";

/** What a wait inside a node execution ends as: the wrapper turns it into LangGraph's interrupt. */
export class Parked extends Error {}

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
  /** Its calls under way. */
  readonly calls: CallSignals;
  readonly #delivery = new Delivery();
  readonly #replay: NodeReplay;
  readonly #waits: NodeWaits;
  readonly #nth = new Map<string, number>();
  /** Asks whose answers are not wanted any more. */
  readonly #unwanted = new Set<string>();
  /** Calls that have been asked for and have neither been handed over nor are waiting. */
  #busy = 0;
  /** Calls that have passed into the gate and are not back: they may be touching the outside world. */
  #active = 0;
  /** What becomes of further calls: they pass, are refused because the node has ended, or are never heard of. */
  #further: "pass" | "refused" | "unheard" = "pass";
  #abandoned = false;
  /** The graphs that run inside this node. */
  readonly #inner = new Set<InnerGraph>();
  /** A graph inside this node waits for somebody or something else. */
  #innerWaits = false;
  /** LangGraph's interrupt was thrown into the body: from then on nothing that the body asks for is heard. */
  #interrupt: "none" | "thrown" | "surfaced" = "none";
  #endedWith: Error | null = null;
  readonly #whenParked: ((error: Error) => void)[] = [];
  readonly #idle: (() => void)[] = [];
  readonly #quiet: (() => void)[] = [];

  constructor(attempt: Attempt, key: string, recorded: RecordedCalls) {
    this.attempt = attempt;
    this.key = key;
    this.calls = new CallSignals(attempt.calls);
    this.#waits = new NodeWaits(() => attempt.now());
    this.#replay = new NodeReplay(recorded, this.#delivery, attempt.nodes, {
      afterMs: attempt.limits.replayStallMs,
      busyBeside: () => attempt.nodes.isBusyBeside(this),
      onStall: () => {
        this.fail(this.#diverged());
      },
    });
  }

  /** Rejects with {@link Parked} when nothing goes on any more and something waits. */
  get parked(): Promise<never> {
    return new Promise<never>((_, reject) => {
      this.whenParked(reject);
    });
  }

  /** Tells when nothing goes on any more and something waits, with a {@link Parked}, or what it failed with. */
  whenParked(tell: (error: Error) => void): void {
    if (this.#endedWith) tell(this.#endedWith);
    else this.#whenParked.push(tell);
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
    return this.#replay.behind;
  }

  /** What the execution waits for, once it has parked. */
  get waits(): Wait[] {
    return this.#waits.all();
  }

  /** The number of this call among those of the same fingerprint. */
  nextNth(name: string, fingerprint: string): number {
    const key = `${name}\n${fingerprint}`;
    const nth = this.#nth.get(key) ?? 0;
    this.#nth.set(key, nth + 1);
    return nth;
  }

  /** A call is asked for: it counts until it is {@link answered}, or waits. */
  asked(proposal: Proposal): void {
    this.#busy++;
    this.#replay.asked(proposal.effect);
  }

  /** What was asked for is handed over. */
  answered(): void {
    this.#end();
  }

  /** True where the journal has nothing more to say of this execution, nor of one beside it that has not begun. */
  get isLive(): boolean {
    return this.#replay.isLive;
  }

  /** The recorded end of a call: resolves in its turn. */
  claim(proposal: Proposal): Promise<void> {
    return this.#replay.claim(proposal);
  }

  /** Waits until the journal has nothing more to say of this execution, nor of one beside it that has not begun. */
  live(proposal: Proposal): Promise<void> {
    return this.#replay.live(proposal);
  }

  /**
   * Appends the end of a call and takes the call's turn in the same breath: what is recorded first is also
   * handed over first.
   */
  record<T>(events: readonly NewEvent[], ended: T, options?: AppendOptions): Handed<T> {
    const appended = this.attempt.append(events, options);
    const handed = deferred<T>();
    this.#delivery.deliver(() => {
      handed.resolve(ended);
    });
    return {
      turn: handed.promise,
      get durable() {
        return appended.durable;
      },
    };
  }

  /** The call waits for somebody or something else. Never resolves: the run parks and comes back later. */
  wait(wait: Wait): Promise<never> {
    this.#waits.add(wait);
    return this.hang();
  }

  /**
   * The call waits for a time. Resolves when the time has come and something else has kept the node going until then,
   * or it is soon; otherwise never, and the run parks.
   */
  async waitUntil(wait: TimedWait): Promise<void> {
    if (wait.dueAt <= this.attempt.now()) return;
    this.#waits.add(wait);
    this.rests();
    this.#end();
    await this.#waits.over(wait);
    if (this.#abandoned) await new Promise<never>(() => undefined);
    this.#waits.drop(wait.effect);
    this.#busy++;
    this.#active++;
  }

  /** What these asks would say is not wanted any more. @returns what those of them wait for that have got so far */
  withdraw(effects: readonly string[]): Wait[] {
    return effects.flatMap((effect) => {
      this.#unwanted.add(effect);
      return this.#waits.drop(effect) ?? [];
    });
  }

  isUnwanted(effect: string): boolean {
    return this.#unwanted.has(effect);
  }

  /** Whoever waits for a turn asks for it now. */
  nudge(): void {
    this.#waits.nudge();
  }

  /** The node has failed and runs again at that time: nothing more of it is for this attempt. */
  tryAgain(dueAt: number): void {
    this.#waits.setOnly({ kind: "retry", effect: this.key, dueAt });
    this.abandon();
  }

  /** The node has taken too long: its calls are cut off, and whether they happened is to be found out. */
  cutOff(): void {
    this.calls.cutOff();
  }

  /** True once calls may have failed for no other reason than that they were cut off. */
  get cut(): boolean {
    return this.calls.isCutOff || this.attempt.stopping;
  }

  /** True while a call is under way, or is waited for. */
  get occupied(): boolean {
    return this.#busy > 0 || this.waiting || this.#inner.size > 0;
  }

  /** Leaves a call pending for good: whatever comes of it is not for this attempt. */
  hang(): Promise<never> {
    this.rests();
    this.#end();
    return new Promise<never>(() => undefined);
  }

  /** A call may touch the outside world or the journal from here on, until it {@link rests} or waits. */
  acts(): void {
    this.#active++;
  }

  rests(): void {
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
    // Nothing waits, and nobody for it: whoever comes later finds nothing undone.
    if (this.#undone || (!this.waiting && this.#idle.length === 0)) return;
    // Two turns: the body may ask for more with what it was just given.
    void this.#delivery.turns(2).then(() => {
      if (this.#undone) return;
      if (this.waiting && this.#further === "pass" && !this.#waits.soonOver) this.abandon();
      this.#release();
    });
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
    this.#replay.asked(interrupt);
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
      .then(() => this.#delivery.turns(TURNS_TO_SURFACE))
      .then(() => {
        if (this.#interrupt === "thrown") this.fail(caught());
      });
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
      await this.parked;
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
      this.#waits.drop(effect);
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
    this.#delivery.stop();
    this.silence();
    this.#replay.stop();
    this.#waits.stop();
    this.#endedWith = error;
    for (const tell of this.#whenParked.splice(0)) tell(error);
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
    const { unclaimed, instead } = this.#replay;
    return divergence(this.attempt, { recorded: unclaimed, node: this.key, asked: instead, cause });
  }
}
