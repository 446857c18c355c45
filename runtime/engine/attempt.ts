import type { SignedEnvelope } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { deferred } from "../core/deferred.ts";
import type { ErrorRecord } from "../core/errors.ts";
import type { NewEvent, RunEnd, RunStatus, Wait } from "../core/events.ts";
import type { Appended, AppendOptions, Claim, RunHead, ViewWrite } from "../core/journal.ts";
import type { JsonValue } from "../core/json.ts";
import type { Messages } from "../core/messages.ts";
import { parkedWith } from "../core/parked-waits.ts";
import type { Actor } from "../core/people.ts";
import { applyEvent, type RunRecord } from "../core/run-record.ts";
import type { Turns } from "../core/turns.ts";
import type { Verdict } from "../core/verdict.ts";
import type { AttemptServices, Limits } from "./attempt-services.ts";
import { CallSignals, uncut } from "./call-signals.ts";
import type { Call } from "./call.ts";
import { decodeState } from "./codec.ts";
import { watchDeadline } from "./deadline.ts";
import { divergence } from "./divergence.ts";
import { failed, finished, leftBehind, stopped, type Ending, type Stop } from "./endings.ts";
import { LeaseLostError, WorkerStoppingError } from "./errors.ts";
import { frontierOf } from "./frontier.ts";
import { HeldLease } from "./held-lease.ts";
import { MailReader } from "./mail-reader.ts";
import type { Mailer } from "./mailer.ts";
import type { NodeExecution } from "./node-execution.ts";
import { NodeExecutions } from "./node-executions.ts";
import { OpenCalls } from "./open-calls.ts";
import { Outbound } from "./outbound.ts";
import { answerOf } from "./outgoing.ts";
import { recordableError } from "./recordable-error.ts";
import { RunMailbox } from "./run-mailbox.ts";
import type { Runnable } from "./runnable.ts";
import type { GraphPoint } from "./snapshot-text.ts";
import { openRecord, type Opened, type SnapshotTaker } from "./snapshots.ts";
import { wakeAt } from "./wake-at.ts";

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
  readonly lease: HeldLease;
  readonly mail: MailReader;
  readonly outbound: Outbound;
  /** Of a run that this worker has begun: resolves once others can see it. */
  readonly recorded: Promise<void> | undefined;
  readonly nodes = new NodeExecutions();
  /** Calls under way: they are cut off when the run is to end, and when the attempt does. */
  readonly calls: CallSignals;
  /** Finding out what became of a call goes on when the run is stopped: only the end of the attempt cuts it off. */
  readonly lookups: CallSignals;
  /** Where the graph goes on, of which a snapshot was kept; null: it comes there from the start. */
  readonly from: GraphPoint | null;
  readonly #snapshots: SnapshotTaker;
  readonly #services: AttemptServices;
  readonly #mailbox: RunMailbox;
  readonly #version: string;
  readonly #aborted = deferred<never>();
  readonly #stopped = deferred<undefined>();
  #open: OpenCalls | null = null;
  #abortedBy: { readonly error: unknown } | null = null;
  #stop: Stop | null = null;
  #over = false;
  #lastAppend: Appended | null = null;
  readonly #appending: AppendOptions = {
    linger: true,
    onRefused: (error) => {
      this.abort(error);
    },
  };
  #ended: RunEnd | null = null;
  #input: { readonly value: unknown } | null = null;

  private constructor(claim: Claim, { record, from, snapshots }: Opened, services: AttemptServices) {
    this.head = claim.head;
    this.startedBy = claim.startedBy;
    this.depth = claim.depth;
    this.recorded = claim.recorded;
    this.record = record;
    this.from = from;
    this.#snapshots = snapshots;
    this.clock = services.clock;
    this.limits = services.limits;
    this.#services = services;
    this.lease = new HeldLease(claim, services.clock);
    this.#mailbox = new RunMailbox(services.journal, claim, record);
    this.#version = claim.version;
    const uncutCalls = uncut((error) => {
      // Nobody needs to act: what became of the call, the call itself says.
      this.tellTrouble("a listener of a call's abort signal threw", recordableError(error));
    });
    this.calls = new CallSignals(uncutCalls);
    this.lookups = new CallSignals(uncutCalls);
    this.#aborted.promise.catch(() => undefined);
    this.outbound = new Outbound(services.messages, claim.head.session);
    this.mail = new MailReader(services.messages, services.mailer, claim.head.run);
  }

  /**
   * Reads the run's journal, from its newest snapshot on, and takes it into a record.
   *
   * @param agent null where this worker does not have it
   * @throws what {@link openRecord} throws
   */
  static async open(claim: Claim, services: AttemptServices, agent: Pick<Runnable, "shape"> | null): Promise<Attempt> {
    return new Attempt(claim, await openRecord(claim, services, agent?.shape ?? null), services);
  }

  /** Milliseconds since the epoch by the database's clock. */
  now(): number {
    return this.lease.now();
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

  /** A call is made now. */
  begins(effect: string): void {
    this.#open?.begins(effect, this.now());
  }

  /** Rejects when the attempt is aborted, with what aborted it. */
  get aborted(): Promise<never> {
    return this.#aborted.promise;
  }

  /** The last event of the run, once this attempt has recorded it; else null. */
  get ended(): RunEnd | null {
    return this.#ended;
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

  /** What the run was started with, the same object throughout the attempt. */
  get input(): unknown {
    this.#input ??= { value: decodeState(this.record.started?.input ?? null) };
    return this.#input.value;
  }

  /** Whoever waits until it is on disk says `linger: false`. */
  append(events: readonly NewEvent[], options?: AppendOptions): Appended {
    const given = options ? { ...this.#appending, ...options } : this.#appending;
    const appended = this.#services.journal.append(this.head, events, given);
    for (const event of appended.events) {
      this.#open?.follow(event, this.now());
      // What is sent from here on is about what has just come.
      if (event.type === "message_received" || event.type === "effect_finished") {
        for (const label of event.data.labels ?? []) this.record.labels.add(label);
      }
      this.#snapshots.follow(event);
    }
    this.#lastAppend = appended;
    return appended;
  }

  /** A superstep of the run's own graph has just been recorded: a moment for a snapshot. */
  reached(point: GraphPoint): void {
    if (this.over || this.stopping) return;
    this.#snapshots.offer(point, async (event) => {
      const { events, durable } = this.append([event], { linger: false });
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
    if (!this.lease.mayHaveRunOut()) return;
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
    const execution = this.nodes.begin(this, key);
    // LangGraph goes on for a while after an abort: what it begins now is not for this attempt any more.
    if (this.over || this.stopping) execution.abandon();
    return execution;
  }

  /** Tells the operators of what is not right with the run and needs nobody's action. */
  tellTrouble(what: string, error: ErrorRecord, details: Readonly<Record<string, JsonValue>> = {}): void {
    this.#services.onTrouble(what, error, { run: this.head.run, ...details });
  }

  /** A node has thrown, and that is recorded. */
  failed(node: string, error: Error): void {
    this.#services.onNodeFailed?.(error, { run: this.head.run, node });
  }

  /** Ends the attempt from outside its code: nothing more is called or recorded, and the code hears nothing. */
  abort(error: unknown): void {
    if (this.over) return;
    this.#abortedBy = { error };
    this.calls.cutOff();
    this.lookups.cutOff();
    this.nodes.abandon();
    this.#aborted.reject(error);
  }

  /**
   * Ends the run before its graph does: the signals of calls under way abort, the code hears nothing more, and what
   * was started is settled and recorded before the run ends.
   */
  #stopFor(stop: Stop): void {
    if (this.over || this.#stop) return;
    this.#stop = stop;
    this.calls.cutOff();
    this.nodes.abandon();
    this.#stopped.resolve(undefined);
  }

  /** Looks whether somebody has cancelled the run while it is under way; all else can wait for the next attempt. */
  async lookForCancel(): Promise<void> {
    // Before its first event the attempt has not looked itself yet, and will.
    if (this.over || this.#stop || this.#open === null) return;
    const cancels = await this.#mailbox.takeCancels();
    if (cancels === null) this.nodes.nudge();
    for (const event of cancels ?? []) {
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
    await this.nodes.settle();
    await this.#assertGoing();
    const ending = this.#ending(agent, output, failure);
    if (!ending) return this.#park(this.nodes.waits);
    // Also calls that the code has made do without: whether they happened is found out all the same.
    const open = await this.#open?.settle(this, (proposal) => agent?.openCallTool(proposal));
    if (open && open.length > 0) return this.#park(open);
    return this.#end(ending);
  }

  /** What the run ends as now that its graph is left; null if it waits. */
  #ending(agent: Runnable | null, output: JsonValue | undefined, failure: ErrorRecord | null): Ending | null {
    if (this.#stop) return stopped(this, this.#stop);
    if (!agent) throw new Error(`The run ${this.head.run} was claimed without its agent, and is not to be stopped.`);
    if (failure) return failed({ ...failure });
    if (this.nodes.waits.length > 0) return null;
    const { missing } = this.nodes;
    if (!missing) return finished(output ?? null);
    const { node, effect } = missing;
    return failed(recordableError(divergence(this, { recorded: effect, node, asked: null })));
  }

  #isStopping(): boolean {
    return this.stopping;
  }

  /** Stops the run when its deadline comes. */
  #watchDeadline(): NodeJS.Timeout | undefined {
    const deadline = this.record.started?.deadline;
    if (deadline === undefined || this.#stop) return undefined;
    return watchDeadline(deadline, this.now(), () => {
      this.#stopFor({ kind: "deadline", deadline });
    });
  }

  /** @throws what aborted the attempt, if anything did. */
  async #assertGoing(): Promise<void> {
    if (this.#abortedBy === null) return;
    // A result that came after the abort is still worth having, if the lease holds: let it be written first.
    await this.#lastAppend?.durable.catch(() => undefined);
    throw this.#abortedBy.error;
  }

  /** Takes what has arrived for the run into its events, in order, each once. */
  async #takeMail(): Promise<void> {
    const { events, unexpected } = await this.#mailbox.take();
    for (const message of unexpected) {
      const why = `A message of the kind "${message.kind}" answers nothing that is open.`;
      const error = { name: "UnexpectedMessage", message: why };
      this.tellTrouble("a message was set aside: the run does not wait for it", error, { message: message.id });
    }
    const started: NewEvent = {
      type: "attempt_started",
      data: {
        epoch: this.head.epoch,
        worker: this.#services.worker,
        ...(this.#version === "" ? {} : { version: this.#version }),
        claimedAt: this.lease.grantedAt,
      },
    };
    for (const event of this.append([started, ...events]).events) applyEvent(this.record, event);
    this.#open = new OpenCalls(this.record, this.lease.grantedAt);
    this.nodes.goOnFrom(frontierOf(this.record));
    if (this.record.cancel) this.#stopFor({ kind: "cancelled", request: this.record.cancel });
  }

  /** From here on the attempt only writes its last events. */
  #close(): void {
    this.#over = true;
    this.calls.cutOff();
    this.lookups.cutOff();
  }

  async #park(waits: readonly Wait[]): Promise<RunStatus> {
    const deadline = this.#stop ? undefined : this.record.started?.deadline;
    this.#close();
    // Whoever wakes it, perhaps in a moment, goes on from there.
    await this.#snapshots.store();
    return this.#services.journal.append(
      this.head,
      [{ type: "run_parked", data: parkedWith(this.#snapshots.parked, waits) }],
      {
        status: "parked",
        waits,
        wakeAt: wakeAt(waits, deadline),
        mailboxTaken: this.#mailbox.taken,
      },
    ).durable;
  }

  /** Records the end, answers whoever asked, and voids what people need not decide or answer any more. */
  async #end({ status, last, outcome }: Ending): Promise<RunStatus> {
    this.#close();
    await this.#snapshots.drop();
    const answer = answerOf(this, outcome);
    const sent: SignedEnvelope[] = [];
    // The answer before the last event, because nothing follows the end of a run.
    const reached = await this.#services.journal.append(this.head, [...(answer ? [answer.event] : []), last], {
      status,
      mailboxTaken: this.#mailbox.taken,
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
    this.#ended = last;
    return reached;
  }
}
