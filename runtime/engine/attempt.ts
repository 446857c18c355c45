import type { Clock } from "../core/clock.ts";
import { deferred } from "../core/deferred.ts";
import type { ErrorRecord } from "../core/errors.ts";
import type { EffectOutcome, EventData, NewEvent, Proposal, RunStatus, Wait } from "../core/events.ts";
import type { SignedEnvelope } from "../core/bus.ts";
import type { Appended, AppendOptions, Claim, Journal, RunHead, ViewWrite } from "../core/journal.ts";
import type { Judge } from "../core/judge.ts";
import type { JsonValue } from "../core/json.ts";
import type { Actor } from "../core/people.ts";
import type { Messages } from "../core/messages.ts";
import { applyEvent, type RunRecord } from "../core/run-record.ts";
import type { Snapshots } from "../core/snapshots.ts";
import type { Turn, Turns } from "../core/turns.ts";
import type { Verdict } from "../core/verdict.ts";
import type { Call } from "./call.ts";
import { decodeState } from "./codec.ts";
import { divergence } from "./divergence.ts";
import { cancelledError, deadlineError, leftBehind } from "./endings.ts";
import { LeaseLostError, RecordIncompleteError, WorkerStoppingError } from "./errors.ts";
import { frontierOf, type BegunNode, type Frontier } from "./frontier.ts";
import { takeOver } from "./incoming.ts";
import type { OpenCallTool } from "./investigate.ts";
import type { Mailer } from "./mailer.ts";
import { MailReader } from "./mail-reader.ts";
import { NodeExecution } from "./node-execution.ts";
import { LONGEST_TIMER_MS } from "./longest-timer.ts";
import { OpenCalls } from "./open-calls.ts";
import { Outbound } from "./outbound.ts";
import { answerOf } from "./outgoing.ts";
import { recordableError } from "./recordable-error.ts";
import type { GraphPoint } from "./snapshot-text.ts";
import { openRecord, type Opened, type SnapshotTaker } from "./snapshots.ts";
import type { CallOwner } from "./within-time.ts";

export interface Limits {
  readonly leaseMs: number;
  /** How long a body may ask for something else than what is recorded before that is an error. */
  readonly replayStallMs: number;
  /** How many asks may stand above a run: a bound on agents that ask each other in a circle. */
  readonly maxDepth: number;
  /** How many messages a session may send: a bound on agents that keep each other busy. */
  readonly maxMessages: number;
  /** LangGraph's bound on supersteps. */
  readonly maxSupersteps: number;
  /** How many supersteps are between two snapshots of a run, at least: more where its state is large. */
  readonly snapshotEvery: number;
  /** How long a node's code may do nothing that can be seen: neither call anything nor end. */
  readonly nodeIdleMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  leaseMs: 15_000,
  replayStallMs: 30_000,
  maxDepth: 16,
  maxMessages: 10_000,
  maxSupersteps: 100_000,
  snapshotEvery: 100,
  nodeIdleMs: 1_800_000,
};

/** What an attempt works with. */
export interface AttemptServices {
  readonly journal: Journal;
  readonly snapshots: Snapshots;
  readonly judge: Judge;
  readonly mailer: Mailer;
  readonly turns: Turns;
  readonly messages: Messages;
  readonly clock: Clock;
  readonly worker: string;
  readonly limits: Limits;
  /** Told of what is not right and needs nobody's action. */
  readonly onTrouble: (what: string, error: ErrorRecord, details: Readonly<Record<string, JsonValue>>) => void;
  /** Told of what a node threw, as it was thrown: the record holds no stack. */
  readonly onNodeFailed?: (error: Error, details: { readonly run: string; readonly node: string }) => void;
}

/** An agent that is ready to run: see `compile-agent.ts`. */
export interface Runnable {
  /** Runs the graph; resolves with the run's encoded output, or with undefined where it was interrupted. */
  invoke(input: unknown, attempt: Attempt): Promise<JsonValue | undefined>;
  /** What a snapshot of the graph's state depends on; null where its state cannot be stored so that it comes back the same. */
  readonly shape: string | null;
  /** What is needed to find out what became of a call that the graph made; undefined if the tool is gone. */
  openCallTool(proposal: Proposal): OpenCallTool | undefined;
}

/** Why a run ends before its graph does. */
type Stop =
  | { readonly kind: "cancelled"; readonly request: EventData<"cancel_requested"> }
  | { readonly kind: "deadline"; readonly deadline: number };

/**
 * One attempt at a run, from a claim of its lease to its park or end.
 *
 * It ends when LangGraph has returned *and* every call that was started has its end in the journal; until
 * then the lease is renewed and nothing is released.
 */
export class Attempt {
  readonly head: RunHead;
  readonly startedBy: Actor;
  readonly depth: number;
  readonly record: RunRecord;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly mail: MailReader;
  readonly outbound: Outbound;
  /** Where the graph goes on, of which a snapshot was kept; null: it comes there from the start. */
  readonly from: GraphPoint | null;
  readonly #snapshots: SnapshotTaker;
  readonly #services: AttemptServices;
  readonly #executions = new Set<NodeExecution>();
  /** One for each call under way. */
  readonly #calls = new Set<AbortController>();
  readonly #lookups = new Set<AbortController>();
  readonly #aborted = deferred<never>();
  readonly #stopped = deferred<undefined>();
  readonly #allBegun = deferred<undefined>();
  /** Recorded node executions that have not finished and that the graph has not begun again. */
  #missing = new Map<string, BegunNode>();
  #frontier: Frontier | null = null;
  #open: OpenCalls | null = null;
  #abortedBy: { readonly error: unknown } | null = null;
  #stop: Stop | null = null;
  readonly #claimedAt: Claim["claimedAt"];
  readonly #version: string;
  #over = false;
  #deadlineMs: number;
  #mailboxTaken = 0;
  #lastAppend: Promise<unknown> = Promise.resolve();
  #input: { readonly value: unknown } | null = null;

  private constructor(claim: Claim, { record, from, snapshots }: Opened, services: AttemptServices) {
    this.head = claim.head;
    this.startedBy = claim.startedBy;
    this.depth = claim.depth;
    this.record = record;
    this.from = from;
    this.#snapshots = snapshots;
    this.clock = services.clock;
    this.limits = services.limits;
    this.#services = services;
    this.#deadlineMs = claim.deadlineMs;
    this.#claimedAt = claim.claimedAt;
    this.#version = claim.version;
    this.#aborted.promise.catch(() => undefined);
    this.outbound = new Outbound(services.messages, claim.head.session);
    this.mail = new MailReader(services.messages, services.mailer, claim.head.run);
  }

  /**
   * Reads the run's journal, from its newest snapshot on, and takes it into a record.
   *
   * @param agent null where this worker does not have it
   * @throws {@link RecordIncompleteError} if the journal does not reach as far as the run's row says: acting on
   *   a part of the record could repeat what the rest of it did.
   */
  static async open(claim: Claim, services: AttemptServices, agent: Pick<Runnable, "shape"> | null): Promise<Attempt> {
    const opened = await openRecord(claim, services, agent?.shape ?? null);
    if (!opened) {
      throw new RecordIncompleteError(
        `The record of the run ${claim.head.run} does not end where it should (event ${String(claim.head.seq)}), so the run does not go on. "npx signalbox audit verify ${claim.head.session}" names the first event that is wrong.`,
        { details: { run: claim.head.run, seq: claim.head.seq } },
      );
    }
    return new Attempt(claim, opened, services);
  }

  /**
   * Milliseconds since the epoch by the database's clock, as it was when the lease was granted and has gone on since:
   * all workers agree on it, whatever their own clocks say.
   */
  now(): number {
    return this.#claimedAt.epochMs + this.clock.monotonicMs() - this.#claimedAt.monotonicMs;
  }

  /** What is said of the data that the run works with: of what it was started with, and of what it has received. */
  get labels(): readonly string[] {
    return [...this.record.labels].sort();
  }

  get messages(): Messages {
    return this.#services.messages;
  }

  /** The key of the queue whose messages come to this run; null if there is none. */
  get queue(): string | null {
    return this.record.started?.message?.key ?? null;
  }

  get turns(): Turns {
    return this.#services.turns;
  }

  /** A turn that could not be given back ends by itself. */
  giveTurn(turn: Turn): void {
    this.turns.give(turn).catch((error: unknown) => {
      this.#services.onTrouble("a turn was not given back", recordableError(error), { of: turn.of, run: turn.run });
    });
  }

  /** A call is made now. */
  begins(effect: string): void {
    this.#open?.begins(effect, this.now());
  }

  /** A call begins: its signal aborts when the attempt does. */
  beginCall(): AbortController {
    const controller = new AbortController();
    this.#calls.add(controller);
    if (this.over || this.stopping) controller.abort();
    return controller;
  }

  endCall(controller: AbortController): void {
    this.#calls.delete(controller);
  }

  /** Nobody needs to act: what became of the call, the call itself says. */
  listenerFailed(error: unknown): void {
    const run = { run: this.head.run };
    this.#services.onTrouble("a listener of a call's abort signal threw", recordableError(error), run);
  }

  /** Finding out what became of a call goes on when the run is stopped: only the end of the attempt cuts it off. */
  readonly lookups: CallOwner = {
    beginCall: () => {
      const controller = new AbortController();
      this.#lookups.add(controller);
      if (this.over) controller.abort();
      return controller;
    },
    endCall: (controller) => {
      this.#lookups.delete(controller);
    },
    listenerFailed: (error) => {
      this.listenerFailed(error);
    },
  };

  /** Rejects when the attempt is aborted, with what aborted it. */
  get aborted(): Promise<never> {
    return this.#aborted.promise;
  }

  get mailer(): Mailer {
    return this.#services.mailer;
  }

  /** True once nothing of this attempt may be recorded any more. */
  get over(): boolean {
    return this.#over || this.#abortedBy !== null;
  }

  /** True once the run is to end: nothing new is called, and what was started is settled. */
  get stopping(): boolean {
    return this.#stop !== null;
  }

  /** True if a node execution waits for somebody or something else. */
  get waiting(): boolean {
    return [...this.#executions].some((execution) => execution.waits.length > 0);
  }

  /** A recorded node execution that the graph has not begun again: nothing new is called before it has. */
  get missingNode(): BegunNode | null {
    for (const begun of this.#missing.values()) return begun;
    return null;
  }

  /** True while the code of another node is at work: it may still come to what this one waits for. */
  isBusyBeside(one: NodeExecution): boolean {
    return [...this.#executions].some((other) => other !== one && !other.abandoned && !other.occupied);
  }

  /** Resolves once the graph has come as far as the record: every unfinished node execution of it has begun again. */
  get allBegun(): Promise<undefined> {
    return this.#allBegun.promise;
  }

  /** What the run was started with, the same object throughout the attempt. */
  get input(): unknown {
    this.#input ??= { value: decodeState(this.record.started?.input ?? null) };
    return this.#input.value;
  }

  /** The lease was renewed. */
  extend(deadlineMs: number): void {
    this.#deadlineMs = Math.max(this.#deadlineMs, deadlineMs);
  }

  append(events: readonly NewEvent[], options?: AppendOptions): Appended {
    const appended = this.#services.journal.append(this.head, events, options);
    for (const event of appended.events) {
      this.#open?.follow(event, this.now());
      // What is sent from here on is about what has just come.
      if (event.type === "message_received" || event.type === "effect_finished") {
        for (const label of event.data.labels ?? []) this.record.labels.add(label);
      }
      this.#snapshots.follow(event);
    }
    this.#lastAppend = appended.durable.catch((error: unknown) => {
      this.abort(error);
    });
    return appended;
  }

  /** A superstep of the run's own graph has just been recorded: a moment for a snapshot. */
  reached(point: GraphPoint): void {
    if (this.over || this.stopping) return;
    this.#snapshots.offer(point, async (event) => {
      const { events, durable } = this.append([event]);
      await durable;
      return events[0]?.seq ?? 0;
    });
  }

  /**
   * Asked right before anything is called.
   *
   * @throws what ended the attempt if it has ended, or {@link LeaseLostError} if the lease may have run out.
   */
  assertMayCall(): void {
    if (this.#abortedBy) throw this.#abortedBy.error;
    if (this.#over) throw new WorkerStoppingError(`The attempt at the run ${this.head.run} is over.`);
    if (this.clock.monotonicMs() < this.#deadlineMs) return;
    throw new LeaseLostError(
      `The lease on the run ${this.head.run} may have run out before a call; the call was not made. Another worker goes on with the run.`,
      { details: { run: this.head.run } },
    );
  }

  judge(call: Call, satisfied: boolean): Verdict {
    return this.#services.judge.judge({
      agent: this.head.agent,
      run: { id: this.head.run, session: this.head.session, startedBy: this.startedBy, depth: this.depth },
      kind: call.kind,
      action: call.action,
      resource: call.resource,
      input: call.input,
      approval: { satisfied },
    });
  }

  /** A node begins to run in this attempt. */
  begin(key: string): NodeExecution {
    const recorded = this.#frontier?.callsOf(key) ?? { ends: [], open: [], kept: new Set() };
    const execution = new NodeExecution(this, key, recorded);
    this.#executions.add(execution);
    // LangGraph goes on for a while after an abort: what it begins now is not for this attempt any more.
    if (this.over || this.stopping) execution.abandon();
    if (this.#missing.delete(key) && this.#missing.size === 0) this.#allBegun.resolve(undefined);
    return execution;
  }

  /** A node has thrown, and that is recorded. */
  failed(node: string, error: Error): void {
    this.#services.onNodeFailed?.(error, { run: this.head.run, node });
  }

  /** A node has its end in the journal: nothing is left of its execution. */
  finish(execution: NodeExecution): void {
    this.#executions.delete(execution);
  }

  /** Ends the attempt from outside its code: nothing more is called or recorded, and the code hears nothing. */
  abort(error: unknown): void {
    if (this.over) return;
    this.#abortedBy = { error };
    for (const controller of [...this.#calls, ...this.#lookups]) controller.abort();
    for (const execution of this.#executions) execution.abandon();
    this.#aborted.reject(error);
  }

  /**
   * Ends the run before its graph does: the signals of calls under way abort, the code hears nothing more, and what
   * was started is settled and recorded before the run ends.
   */
  #stopFor(stop: Stop): void {
    if (this.over || this.#stop) return;
    this.#stop = stop;
    for (const controller of this.#calls) controller.abort();
    for (const execution of this.#executions) execution.abandon();
    this.#stopped.resolve(undefined);
  }

  /** It may be the turn of a call that waits for it: calls that do ask again. */
  nudge(): void {
    for (const execution of this.#executions) execution.nudge();
  }

  /** Looks whether somebody has cancelled the run while it is under way; all else can wait for the next attempt. */
  async lookForCancel(): Promise<void> {
    // Before its first event the attempt has not looked itself yet, and will.
    if (this.over || this.#stop || this.#open === null) return;
    const { messages, upTo } = await this.#services.journal.mailbox(this.head.run);
    const fresh = messages.filter(({ id }) => !this.record.messages.has(id));
    // Only that it was woken: if that is not what it waits for just now, it is ready again as soon as it parks.
    if (fresh.length === 0) {
      this.nudge();
      return;
    }
    const cancels = fresh.filter(({ kind }) => kind === "cancel");
    const { events } = takeOver(this.record, cancels);
    // What else there is, or was to be looked at elsewhere, makes the run ready as soon as it parks.
    if (cancels.length === fresh.length && upTo - this.#mailboxTaken === fresh.length) this.#mailboxTaken = upTo;
    for (const event of events) {
      if (event.type !== "cancel_requested" || this.#isOver() || this.#isStopping()) continue;
      for (const placed of this.append([event]).events) applyEvent(this.record, placed);
      this.#stopFor({ kind: "cancelled", request: event.data });
    }
  }

  // A method, because the compiler does not believe that a property changes while we wait.
  #isOver(): boolean {
    return this.over;
  }

  /**
   * Runs the attempt to its park or end.
   *
   * @param agent null where this worker does not have it: then the run can only be stopped
   * @returns the run's status after it: `ready` means that something arrived while it parked.
   * @throws what ended the attempt without a record of its own: the lease, the database.
   */
  async run(agent: Runnable | null): Promise<RunStatus> {
    await this.#takeMail();
    await this.#assertGoing();
    const deadline = this.#watchDeadline();
    let output: JsonValue | undefined;
    let failure: ErrorRecord | null = null;
    try {
      if (!this.#isStopping() && agent) {
        output = await Promise.race([agent.invoke(this.input, this), this.#aborted.promise, this.#stopped.promise]);
      }
    } catch (error) {
      failure = recordableError(error);
    } finally {
      clearTimeout(deadline);
    }
    await this.#settled();
    const openCallTool = (proposal: Proposal): OpenCallTool | undefined => agent?.openCallTool(proposal);
    if (this.#stop) return this.#endStopped(this.#stop, openCallTool);
    if (!agent) throw new Error(`The run ${this.head.run} was claimed without its agent, and is not to be stopped.`);
    const waits = [...this.#executions].flatMap((execution) => execution.waits);
    if (!failure && waits.length === 0 && this.missingNode) {
      const { node, effect } = this.missingNode;
      failure = recordableError(divergence(this, { recorded: effect, node, asked: null }));
    }
    if (failure) return this.#endFailed({ ...failure }, openCallTool);
    if (waits.length > 0) return this.#park(waits);
    // The code has made do without a call of which nobody knows whether it happened: it is found out all the same.
    const open = await this.#open?.settle(this, openCallTool);
    if (open && open.length > 0) return this.#park(open);
    const value = output ?? null;
    return this.#end("finished", { type: "run_finished", data: { output: value } }, { ok: true, value });
  }

  #isStopping(): boolean {
    return this.stopping;
  }

  /** Stops the run when its deadline comes, or at once if it has passed. */
  #watchDeadline(): NodeJS.Timeout | undefined {
    const deadline = this.record.started?.deadline;
    if (deadline === undefined || this.#stop) return undefined;
    const leftMs = deadline - this.now();
    if (leftMs <= 0) {
      this.#stopFor({ kind: "deadline", deadline });
      return undefined;
    }
    // No attempt lasts longer than a timer can.
    if (leftMs > LONGEST_TIMER_MS) return undefined;
    return setTimeout(() => {
      this.#stopFor({ kind: "deadline", deadline });
    }, Math.ceil(leftMs));
  }

  async #endStopped(stop: Stop, toolOf: (proposal: Proposal) => OpenCallTool | undefined): Promise<RunStatus> {
    if (stop.kind === "deadline") return this.#endFailed(recordableError(deadlineError(this, stop.deadline)), toolOf);
    const open = await this.#open?.settle(this, toolOf);
    if (open && open.length > 0) return this.#park(open);
    const { by, reason, message } = stop.request;
    const error = recordableError(cancelledError(this, stop.request));
    return this.#end("cancelled", { type: "run_cancelled", data: { by, reason, message } }, { ok: false, error });
  }

  async #endFailed(error: ErrorRecord, toolOf: (proposal: Proposal) => OpenCallTool | undefined): Promise<RunStatus> {
    const open = await this.#open?.settle(this, toolOf);
    if (open && open.length > 0) return this.#park(open);
    return this.#end("failed", { type: "run_failed", data: { error } }, { ok: false, error });
  }

  /** Lets everything that was asked for come back and be recorded; what is asked for from now on is not heard. */
  async #settled(): Promise<void> {
    for (const execution of this.#executions) {
      // What still waits for the record has called nothing; the rest comes back by itself.
      if (execution.replaying || this.missingNode) execution.abandon();
      else execution.silence();
    }
    await Promise.all([...this.#executions].map((execution) => execution.drained()));
    // What waits for a time would wake up in the middle of the end.
    for (const execution of this.#executions) execution.abandon();
    await Promise.all([...this.#executions].map((execution) => execution.quiet()));
    await this.#assertGoing();
  }

  /** @throws what aborted the attempt, if anything did. */
  async #assertGoing(): Promise<void> {
    if (this.#abortedBy === null) return;
    // A result that came after the abort is still worth having, if the lease holds: let it be written first.
    await this.#lastAppend;
    throw this.#abortedBy.error;
  }

  /** Takes what has arrived for the run into its events, in order, each once. */
  async #takeMail(): Promise<void> {
    const { messages, upTo } = await this.#services.journal.mailbox(this.head.run);
    const { events, unexpected } = takeOver(this.record, messages);
    for (const message of unexpected) {
      this.#services.onTrouble(
        "a message was set aside: the run does not wait for it",
        { name: "UnexpectedMessage", message: `A message of the kind "${message.kind}" answers nothing that is open.` },
        { run: this.head.run, message: message.id },
      );
    }
    this.#mailboxTaken = upTo;
    const started: NewEvent = {
      type: "attempt_started",
      data: {
        epoch: this.head.epoch,
        worker: this.#services.worker,
        ...(this.#version === "" ? {} : { version: this.#version }),
        claimedAt: this.#claimedAt.epochMs,
      },
    };
    for (const event of this.append([started, ...events]).events) applyEvent(this.record, event);
    this.#open = new OpenCalls(this.record, this.#claimedAt.epochMs);
    this.#frontier = frontierOf(this.record);
    this.#missing = new Map(this.#frontier.begun);
    if (this.#missing.size === 0) this.#allBegun.resolve(undefined);
    if (this.record.cancel) this.#stopFor({ kind: "cancelled", request: this.record.cancel });
  }

  async #park(waits: readonly Wait[]): Promise<RunStatus> {
    const deadline = this.#stop ? undefined : this.record.started?.deadline;
    const timers = [...waits.flatMap((wait) => timeOf(wait) ?? []), ...(deadline === undefined ? [] : [deadline])];
    this.#over = true;
    return this.#services.journal.append(this.head, [{ type: "run_parked", data: { waits: [...waits] } }], {
      status: "parked",
      waits,
      wakeAt: timers.length === 0 ? null : Math.min(...timers),
      mailboxTaken: this.#mailboxTaken,
    }).durable;
  }

  /** Records the end, answers whoever asked, and voids what people need not decide or answer any more. */
  async #end(status: "finished" | "failed" | "cancelled", last: NewEvent, outcome: EffectOutcome): Promise<RunStatus> {
    this.#over = true;
    await this.#snapshots.kept;
    const answer = answerOf(this, outcome);
    const sent: SignedEnvelope[] = [];
    // The answer before the last event, because nothing follows the end of a run.
    const reached = await this.#services.journal.append(this.head, [...(answer ? [answer.event] : []), last], {
      status,
      mailboxTaken: this.#mailboxTaken,
      views: (placed) => {
        const end = placed.at(-1);
        if (answer) sent.push(answer.message(end));
        return [
          ...(this.#open && end ? leftBehind(this, this.#open, end) : []),
          ...(this.#snapshots.taken ? [{ view: "snapshot_dropped" } as const] : []),
          ...sent.map((message): ViewWrite => ({ view: "message_out", message })),
        ];
      },
    }).durable;
    this.#services.mailer.send(sent);
    return reached;
  }
}

/** When a wait is over by itself. */
function timeOf(wait: Wait): number | undefined {
  if (wait.kind === "message") return wait.until;
  return "dueAt" in wait ? wait.dueAt : undefined;
}
