import type { EffectOutcome, EventData, Proposal } from "../core/events.ts";
import type { ViewWrite } from "../core/journal.ts";
import type { EffectRecord } from "../core/run-record.ts";
import type { Verdict } from "../core/verdict.ts";
import { effectId, repeatable, type Call, type Ended } from "./call.ts";
import { encode } from "./codec.ts";
import { CallRefusedError, CallTimeoutError } from "./errors.ts";
import { endOf, investigate, type OpenCall } from "./investigate.ts";
import type { Handed, NodeExecution } from "./node-execution.ts";
import { askAgent, askPeople } from "./outgoing.ts";
import { recordableError } from "./recordable-error.ts";
import { withinTime } from "./within-time.ts";

/** What comes back from the gate, in its turn. */
export type Passed = Handed<Ended | CallRefusedError>;

/** A call that changes nothing outside: made at once, and recorded with its end. */
export async function makeRead(
  execution: NodeExecution,
  call: Call,
  proposal: Proposal,
  verdict: Verdict | null,
): Promise<Passed> {
  const { outcome, ms } = await perform(execution, call, effectId(execution.attempt.head.run, proposal.effect));
  return execution.record(
    [{ type: "effect_recorded", data: { ...proposal, ...(verdict ? { verdict } : {}), outcome, ms } }],
    outcome,
  );
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
  if (call.kind === "ask") return askAgent(execution, call, data, views);
  if (call.kind === "human") return askPeople(execution, call, data, views);
  await attempt.append([{ type: "effect_intended", data }], { views }).durable;
  return makeCall(execution, call, proposal, id);
}

async function makeCall(execution: NodeExecution, call: Call, proposal: Proposal, id: string): Promise<Passed> {
  const { attempt } = execution;
  const intendedAt = attempt.clock.now();
  const { outcome, ms } = await perform(execution, call, id);
  const timedOut = !outcome.ok && outcome.error.code === CallTimeoutError.code;
  if (timedOut && !repeatable(call)) return goOnOpen(execution, call, { proposal, id, intendedAt, doubt: null });
  return execution.record(
    [{ type: "effect_finished", data: { effect: proposal.effect, outcome, ms, via: "call" } }],
    outcome,
  );
}

/** A recorded start without a recorded end: a crash came between, or the answer is still to come. */
export async function goOnIntended(
  execution: NodeExecution,
  call: Call,
  recorded: EffectRecord & { readonly status: "intended" },
): Promise<Passed> {
  const { proposal, id, intendedAt } = recorded;
  const { effect } = proposal;
  if (call.kind === "ask")
    return execution.wait({ kind: "answer", effect, agent: call.resource, run: recorded.child ?? "" });
  if (call.kind === "human") return execution.wait({ kind: "human", effect, question: id });
  if (repeatable(call)) return repeat(execution, call, proposal, id, "crash");
  return goOnOpen(execution, call, { proposal, id, intendedAt, doubt: null });
}

export function goOnDoubted(
  execution: NodeExecution,
  call: Call,
  recorded: EffectRecord & { readonly status: "doubted" },
): Promise<Passed> {
  const { proposal, id, intendedAt, resolution } = recorded;
  return goOnOpen(execution, call, { proposal, id, intendedAt, doubt: { resolution } });
}

async function goOnOpen(execution: NodeExecution, call: Call, open: OpenCall): Promise<Passed> {
  const found = await investigate(execution.attempt, open, call);
  switch (found.kind) {
    case "wait":
      return execution.wait(found.wait);
    case "not_made":
      return repeat(execution, call, open.proposal, open.id, found.why);
    case "ended": {
      const { event, views } = endOf(open.proposal.effect, found);
      return execution.record([event], found.outcome, { views });
    }
  }
}

/** Makes a call again that did not happen, or of which it does not matter. */
async function repeat(
  execution: NodeExecution,
  call: Call,
  proposal: Proposal,
  id: string,
  why: "crash" | "operator",
): Promise<Passed> {
  const { effect } = proposal;
  const views: ViewWrite[] = why === "operator" ? [{ view: "doubt_resolved", effect }] : [];
  await execution.attempt.append([{ type: "effect_repeated", data: { effect, why } }], { views }).durable;
  return makeCall(execution, call, proposal, id);
}

/** The rules, or people, said no: recorded, and thrown to whoever asked. */
export function refuse(execution: NodeExecution, call: Call, proposal: Proposal, verdict: Verdict): Passed {
  return execution.record<Ended | CallRefusedError>(
    [{ type: "effect_refused", data: { ...proposal, verdict } }],
    new CallRefusedError(call.action, verdict),
  );
}

/**
 * Makes the call itself, within its time. What it throws is its outcome, not an error of ours; but when the
 * attempt was over first, it may have failed for that alone, and whether it happened is for the next attempt
 * to find out.
 */
async function perform(
  execution: NodeExecution,
  call: Call,
  id: string,
): Promise<{ readonly outcome: EffectOutcome; readonly ms: number }> {
  const { attempt } = execution;
  attempt.assertMayCall();
  const startedMs = attempt.clock.monotonicMs();
  let outcome: EffectOutcome;
  try {
    const value = await withinTime(attempt, call, (signal) => call.perform({ effectId: id, signal }));
    outcome = { ok: true, value: encode(value) };
  } catch (error) {
    if (attempt.over) return execution.hang();
    outcome = { ok: false, error: recordableError(error) };
  }
  return { outcome, ms: Math.round((attempt.clock.monotonicMs() - startedMs) * 1000) / 1000 };
}
