import type { EffectRecord } from "../core/effect-record.ts";
import { isRepeatable } from "../core/effects.ts";
import type { EffectOutcome, EventData, Proposal } from "../core/events.ts";
import type { Appended, ViewWrite } from "../core/journal.ts";
import type { Verdict } from "../core/verdict.ts";
import type { Attempt } from "./attempt.ts";
import { effectId, type Call, type Ended, type OneWay } from "./call.ts";
import { encode } from "./codec.ts";
import { CallCutOffError, CallNotMadeError, CallRefusedError, CallTimeoutError } from "./errors.ts";
import { endOf, investigate, type OpenCall } from "./investigate.ts";
import type { Handed, NodeExecution } from "./node-execution.ts";
import { sendOut } from "./one-way.ts";
import { askAgent, askPeople } from "./outgoing.ts";
import { recordableError } from "./recordable-error.ts";
import { nextTry } from "./retry.ts";
import { inTurn, type HeldTurn } from "./turn.ts";
import { withinTime } from "./within-time.ts";

/** What comes back from the gate, in its turn. */
export type Passed = Handed<Ended | CallRefusedError>;

/** How a call ended, before that is recorded. */
interface Performed {
  readonly outcome: EffectOutcome;
  readonly ms: number;
  /** What was thrown, as it was thrown. */
  readonly thrown?: unknown;
  /** It may have failed for no other reason than that it was cut off: whether it happened is to be found out. */
  readonly unknown?: true;
}

/** How a call ended after all its tries. */
interface Tried extends Performed {
  /** What the rules said of it, as far as that is not on record. */
  readonly verdict: Verdict | null;
}

/** The rules were asked again, and are stricter now: it was not called again. */
interface Stopped {
  readonly refusedBy: Verdict;
}

/** A call that has a recorded start. */
interface Started {
  readonly proposal: Proposal;
  readonly id: string;
  /** People have approved it. */
  readonly approved: boolean;
}

/** A call that changes nothing outside: made at once, and recorded with its end. */
export function makeRead(
  execution: NodeExecution,
  call: Call,
  proposal: Proposal,
  verdict: Verdict | null,
  failures = 0,
): Promise<Passed> {
  const id = effectId(execution.attempt.head.run, proposal.effect);
  return inTurn(execution, call, proposal, async (turn) => {
    const tried = await tries(execution, call, proposal, { verdict, id, failures, turn, approved: false });
    if ("refusedBy" in tried) return refuse(execution, call, proposal, tried.refusedBy);
    const { outcome, ms } = tried;
    return execution.record(
      [{ type: "effect_recorded", data: { ...proposal, ...toldOf(tried.verdict), outcome, ms } }],
      outcome,
    );
  });
}

function toldOf(verdict: Verdict | null): { readonly verdict?: Verdict } {
  return verdict ? { verdict } : {};
}

/** Records the intent, waits until it is on disk, and only then makes the call. */
export async function intend(
  execution: NodeExecution,
  call: Call,
  proposal: Proposal,
  verdict: Verdict,
  approval: string | null,
): Promise<Passed> {
  const { attempt } = execution;
  const id = effectId(attempt.head.run, proposal.effect);
  const data: EventData<"effect_intended"> = { ...proposal, id, verdict, ...(approval === null ? {} : { approval }) };
  const views: ViewWrite[] = approval === null ? [] : [{ view: "approval_consumed", approval }];
  if (call.kind === "ask") {
    await askAgent(execution, call, data, views);
    return refuse(execution, call, proposal, budgetExhausted(verdict));
  }
  if (call.message) {
    if (!(await mayReply(attempt, call.message))) return refuse(execution, call, proposal, notReceived(verdict));
    const sent = await sendOut(execution, call, call.message, { intent: data, views });
    return sent ?? refuse(execution, call, proposal, budgetExhausted(verdict));
  }
  if (call.kind === "human") return askPeople(execution, call, data, views);
  // Before the intent: what waits for its turn has not begun.
  return inTurn(execution, call, proposal, async (turn) => {
    await written(turn, attempt.append([{ type: "effect_intended", data }], { views, linger: false }));
    return makeCall(execution, call, proposal, { id, failures: 0, turn, verdict: null, approved: approval !== null });
  });
}

/** Only what the run has received can be replied to, and only to whoever has sent it. */
async function mayReply(attempt: Attempt, message: OneWay): Promise<boolean> {
  if (message.kind !== "reply") return true;
  const { re, to, run } = message;
  return attempt.messages.mayReply({ re, by: attempt.head.run, to, run });
}

function notReceived(verdict: Verdict): Verdict {
  return {
    ...verdict,
    decision: "deny",
    reason: "This run has not received such a message from there, and so cannot reply to it.",
    fault: "not_received",
  };
}

function budgetExhausted(verdict: Verdict): Verdict {
  return {
    ...verdict,
    decision: "deny",
    reason: "The session has sent as many messages as it may: its agents seem to keep each other busy.",
    fault: "budget_exhausted",
  };
}

/** Waits until a start is on disk; without it there is no call, and no need of a turn. */
async function written(turn: HeldTurn, { durable }: Appended): Promise<void> {
  try {
    await durable;
  } catch (error) {
    turn.give();
    throw error;
  }
}

interface Try {
  readonly id: string;
  /** How often the call has failed before. */
  readonly failures: number;
  readonly turn: HeldTurn;
  /** What the rules said of it, as far as that is not on record. */
  readonly verdict: Verdict | null;
  readonly approved: boolean;
}

async function makeCall(execution: NodeExecution, call: Call, proposal: Proposal, first: Try): Promise<Passed> {
  const { attempt } = execution;
  const { effect } = proposal;
  const { id } = first;
  // Nothing is called any more in a run that only ends. This one was certainly not made.
  if (attempt.stopping) {
    first.turn.give();
    const outcome: EffectOutcome = { ok: false, error: recordableError(notMade(proposal)) };
    return execution.record([{ type: "effect_finished", data: { effect, outcome, ms: 0, via: "call" } }], outcome);
  }
  attempt.begins(effect);
  const begunBy = attempt.now();
  const tried = await tries(execution, call, proposal, first);
  if ("refusedBy" in tried) return refuse(execution, call, proposal, tried.refusedBy);
  const { outcome, ms, verdict } = tried;
  const timedOut = !outcome.ok && outcome.error.code === CallTimeoutError.code;
  if (timedOut && !isRepeatable(call.class)) {
    const open = { proposal, id, begunBy, settledAt: null, doubt: null };
    return goOnOpen(execution, call, open, first.approved);
  }
  return execution.record(
    [{ type: "effect_finished", data: { effect, outcome, ms, via: "call", ...toldOf(verdict) } }],
    outcome,
  );
}

/**
 * Makes a call, and again after a failure for as long as its tool says and the rules do not say otherwise. Each failure
 * is recorded.
 */
async function tries(execution: NodeExecution, call: Call, proposal: Proposal, first: Try): Promise<Tried | Stopped> {
  const { attempt } = execution;
  const { id, approved } = first;
  let { turn, verdict } = first;
  for (let { failures } = first; ; failures++) {
    const performed = await perform(execution, call, id, turn);
    if (performed.unknown) return execution.hang();
    const delayMs = nextTry(call, performed.outcome, performed.thrown, failures + 1);
    if (delayMs === null || performed.outcome.ok || execution.cut) return { ...performed, verdict };
    const { error } = performed.outcome;
    const dueAt = Math.ceil(attempt.now() + delayMs);
    const { ms } = performed;
    attempt.append([
      {
        type: "effect_retried",
        data: { ...proposal, ...toldOf(verdict), failures: failures + 1, error, dueAt, ms },
      },
    ]);
    await execution.waitUntil({ kind: "retry", effect: proposal.effect, dueAt });
    verdict = judgeAgain(attempt, call, approved);
    if (isStricter(verdict)) return { refusedBy: asDeny(verdict) };
    turn = await inTurn(execution, call, proposal, (held) => Promise.resolve(held));
  }
}

/** A call that failed and is made again when its time has come. */
export async function goOnRetrying(
  execution: NodeExecution,
  call: Call,
  recorded: EffectRecord & { readonly status: "retrying" },
): Promise<Passed> {
  const { proposal, failures, dueAt, approved } = recorded;
  const { attempt } = execution;
  await execution.waitUntil({ kind: "retry", effect: proposal.effect, dueAt });
  const verdict = judgeAgain(attempt, call, approved);
  if (isStricter(verdict)) return refuse(execution, call, proposal, asDeny(verdict));
  // A read that people have approved has an intent, as a call that changes something has.
  if (call.class === "read" && !approved) return makeRead(execution, call, proposal, verdict, failures);
  const id = effectId(attempt.head.run, proposal.effect);
  return inTurn(execution, call, proposal, (turn) =>
    makeCall(execution, call, proposal, { id, failures, turn, verdict, approved }),
  );
}

/**
 * After a wait the call is judged again: the rules may have changed meanwhile. What people have approved stays
 * approved.
 */
function judgeAgain(attempt: Attempt, call: Call, approved: boolean): Verdict | null {
  return call.judged ? attempt.judge(call, approved) : null;
}

/** A call that was allowed once is not held for people later: it was judged without them, and now that is not enough. */
function isStricter(verdict: Verdict | null): verdict is Verdict {
  return verdict !== null && verdict.decision !== "allow";
}

function asDeny(verdict: Verdict): Verdict {
  return { ...verdict, decision: "deny" };
}

/** A sleep: the run is woken when its time has come. */
export async function sleep(
  execution: NodeExecution,
  call: Call,
  proposal: Proposal,
  recorded: (EffectRecord & { readonly status: "timed" }) | undefined,
): Promise<Passed> {
  const { attempt } = execution;
  const { effect } = proposal;
  const { ms, until } = call.input as { readonly ms?: number; readonly until?: number };
  const dueAt = recorded?.dueAt ?? until ?? Math.ceil(attempt.now() + (ms ?? 0));
  if (!recorded) attempt.append([{ type: "timer_set", data: { ...proposal, dueAt } }]);
  await execution.waitUntil({ kind: "timer", effect, dueAt });
  const outcome: EffectOutcome = { ok: true, value: null };
  return execution.record([{ type: "effect_finished", data: { effect, outcome, ms: 0, via: "timer" } }], outcome);
}

/** A recorded start without a recorded end: a crash came between, or the answer is still to come. */
export async function goOnIntended(
  execution: NodeExecution,
  call: Call,
  recorded: EffectRecord & { readonly status: "intended" },
): Promise<Passed> {
  const { proposal, id, leftAt, settledAt, approved } = recorded;
  const { effect } = proposal;
  if (call.kind === "ask")
    return execution.wait({ kind: "answer", effect, agent: call.resource, run: recorded.child ?? "" });
  if (call.kind === "human") return execution.wait({ kind: "human", effect, question: id });
  // It is not judged again. It was allowed and may have happened: a refusal now would say that it did not, and undo
  // nothing. Made again under the same key it changes no more than it was allowed to, and its end becomes known.
  if (isRepeatable(call.class)) return repeat(execution, call, { proposal, id, approved }, "crash", null);
  const begunBy = leftAt ?? execution.attempt.now();
  return goOnOpen(execution, call, { proposal, id, begunBy, settledAt, doubt: null }, approved);
}

export function goOnDoubted(
  execution: NodeExecution,
  call: Call,
  recorded: EffectRecord & { readonly status: "doubted" },
): Promise<Passed> {
  const { proposal, id, leftAt, settledAt, resolution, approved } = recorded;
  const begunBy = leftAt ?? execution.attempt.now();
  return goOnOpen(execution, call, { proposal, id, begunBy, settledAt, doubt: { resolution } }, approved);
}

async function goOnOpen(execution: NodeExecution, call: Call, open: OpenCall, approved: boolean): Promise<Passed> {
  const found = await investigate(execution.attempt, open, call);
  switch (found.kind) {
    case "wait":
      if (found.wait.kind === "doubt") return execution.wait(found.wait);
      await execution.waitUntil(found.wait);
      return goOnOpen(execution, call, open, approved);
    case "not_made": {
      // It certainly did not happen, and finding that out may have taken days: so it is judged like any call after a
      // wait, and a refusal says what is true.
      const verdict = judgeAgain(execution.attempt, call, approved);
      const { proposal, id } = open;
      if (isStricter(verdict)) return refuse(execution, call, proposal, asDeny(verdict), settled(proposal, found.why));
      return repeat(execution, call, { proposal, id, approved }, found.why, verdict);
    }
    case "ended": {
      const { event, views } = endOf(open.proposal.effect, found);
      return execution.record([event], found.outcome, { views });
    }
  }
}

/** Makes a call again that did not happen, or of which it does not matter. */
function repeat(
  execution: NodeExecution,
  call: Call,
  { proposal, id, approved }: Started,
  why: "crash" | "operator",
  verdict: Verdict | null,
): Promise<Passed> {
  const { effect } = proposal;
  const data = { effect, why, ...toldOf(verdict) };
  const views = settled(proposal, why);
  return inTurn(execution, call, proposal, async (turn) => {
    await written(turn, execution.attempt.append([{ type: "effect_repeated", data }], { views, linger: false }));
    return makeCall(execution, call, proposal, { id, failures: 0, turn, verdict: null, approved });
  });
}

/** What an operator has been asked about need not be asked any more. */
function settled({ effect }: Proposal, why: "crash" | "operator"): ViewWrite[] {
  return why === "operator" ? [{ view: "doubt_resolved", effect }] : [];
}

/** The rules, or people, said no: recorded, and thrown to whoever asked. */
export function refuse(
  execution: NodeExecution,
  call: Call,
  proposal: Proposal,
  verdict: Verdict,
  views: readonly ViewWrite[] = [],
): Passed {
  return execution.record<Ended | CallRefusedError>(
    [{ type: "effect_refused", data: { ...proposal, verdict } }],
    new CallRefusedError(call.action, verdict),
    { views },
  );
}

/**
 * Makes the call itself, within its time. What it throws is its outcome, not an error of ours; but when the
 * attempt was over first, or the run is being stopped, it may have failed for that alone, and whether it happened is
 * to be found out.
 */
async function perform(execution: NodeExecution, call: Call, id: string, turn: HeldTurn): Promise<Performed> {
  const { attempt } = execution;
  if (attempt.stopping) {
    turn.give();
    return execution.hang();
  }
  const startedMs = attempt.clock.monotonicMs();
  const elapsed = (): number => Math.round((attempt.clock.monotonicMs() - startedMs) * 1000) / 1000;
  try {
    attempt.assertMayCall();
    return await made(execution, call, id, elapsed);
  } finally {
    turn.give();
  }
}

async function made(execution: NodeExecution, call: Call, id: string, elapsed: () => number): Promise<Performed> {
  try {
    const value = await withinTime(
      execution.calls,
      { action: call.action, timeoutMs: call.timeoutMs, effectId: id },
      call.perform,
    );
    return { outcome: { ok: true, value: encode(value) }, ms: elapsed() };
  } catch (thrown) {
    const unknown = execution.attempt.over || (execution.cut && !isRepeatable(call.class));
    // It is not found out, because repeating it would harm nothing; but the record must not say that it did not happen.
    const open = execution.cut && call.class === "idempotent";
    return {
      outcome: { ok: false, error: recordableError(open ? cutOff(call, id, thrown) : thrown) },
      ms: elapsed(),
      thrown,
      ...(unknown ? { unknown: true } : {}),
    };
  }
}

function notMade({ name }: Proposal): CallNotMadeError {
  return new CallNotMadeError(`The run was stopped before ${name} was called. It was not called.`, {
    details: { action: name },
  });
}

function cutOff({ action }: Call, id: string, thrown: unknown): CallCutOffError {
  return new CallCutOffError(
    `${action} was cut off when its run was stopped or its node took too long. Whether it happened is not known; it may be made again with the key ${id}. It said: ${recordableError(thrown).message}`,
    { details: { action, effectId: id }, cause: thrown },
  );
}
