import { canonicalJson, sha256 } from "../core/canonical.ts";
import type { EffectRecord } from "../core/effect-record.ts";
import { effectKeyText } from "../core/effects.ts";
import type { Proposal } from "../core/events.ts";
import type { Verdict } from "../core/verdict.ts";
import type { Attempt } from "./attempt.ts";
import type { Call, Ended } from "./call.ts";
import { CallRefusedError, EffectOutsideNodeError, InterruptCaughtError } from "./errors.ts";
import { goOnHeld, hold } from "./held-call.ts";
import { goOnDoubted, goOnIntended, goOnRetrying, intend, makeRead, refuse, sleep, type Passed } from "./make-call.ts";
import type { NodeExecution } from "./node-execution.ts";
import { currentExecution } from "./place.ts";
import { receive } from "./receive-call.ts";
import { endUnwanted } from "./withdraw.ts";

/**
 * The one place that every call out of a node passes: recorded results are given back, new calls are
 * judged, intents are durable before the call, ends are recorded after it.
 *
 * @throws {@link CallRefusedError} if the rules or the people they ask say no,
 *   {@link EffectOutsideNodeError} outside a running node.
 */
export async function passGate(call: Call): Promise<Ended> {
  const execution = currentExecution(call.action);
  if (execution.further !== "pass") return turnAway(execution, call);
  const proposal = proposalOf(execution, call);
  call.proposed?.(proposal);
  return passProposal(execution, call, proposal);
}

/** The gate for a call that has its key already. */
export async function passProposal(execution: NodeExecution, call: Call, proposal: Proposal): Promise<Ended> {
  execution.asked(proposal);
  try {
    const recorded = execution.attempt.record.effects.get(proposal.effect);
    if (recorded?.status === "finished") {
      await execution.claim(proposal);
      return recorded.outcome;
    }
    if (recorded?.status === "refused") {
      await execution.claim(proposal);
      throw new CallRefusedError(call.action, recorded.verdict);
    }
    if (!execution.isLive) await execution.live(proposal);
    const passed = await pass(execution, call, proposal, recorded);
    const ended = await passed.turn;
    if (ended instanceof CallRefusedError) throw ended;
    return ended;
  } finally {
    execution.answered();
  }
}

async function pass(
  execution: NodeExecution,
  call: Call,
  proposal: Proposal,
  recorded: EffectRecord | undefined,
): Promise<Passed> {
  execution.acts();
  // The run only ends: what its code still asks for is not heard.
  if (execution.attempt.stopping) return execution.hang();
  try {
    const passed = execution.isUnwanted(proposal.effect)
      ? endUnwanted(execution, proposal, recorded)
      : await goOn(execution, call, proposal, recorded);
    execution.rests();
    return passed;
  } catch (error) {
    // Not an end of this call but of this attempt (the lease or the database is gone): the agent's code
    // must not see it, or a `catch` of its own would act on something that did not happen.
    execution.attempt.abort(error);
    return execution.hang();
  }
}

function proposalOf(execution: NodeExecution, call: Call): Proposal {
  const fingerprint = sha256(canonicalJson({ action: call.action, input: call.input, resource: call.resource }));
  const nth = execution.nextNth(call.action, fingerprint);
  return {
    effect: effectKeyText({ node: execution.key, name: call.action, fingerprint, nth }),
    node: execution.key,
    kind: call.kind,
    name: call.kind === "tool" || call.resource === "" ? call.action : `${call.action}:${call.resource}`,
    ...(call.version === undefined ? {} : { version: call.version }),
    class: call.class,
    fingerprint,
    nth,
    input: call.input,
  };
}

/** Goes on with a call from wherever the journal has left it. */
function goOn(
  execution: NodeExecution,
  call: Call,
  proposal: Proposal,
  recorded: EffectRecord | undefined,
): Passed | Promise<Passed> {
  switch (recorded?.status) {
    case undefined:
      if (call.kind === "timer") return sleep(execution, call, proposal, undefined);
      if (call.kind === "receive") return receive(execution, call, proposal, undefined);
      return propose(execution, call, proposal);
    case "timed":
      return sleep(execution, call, proposal, recorded);
    case "awaiting":
      return receive(execution, call, proposal, recorded);
    case "retrying":
      return goOnRetrying(execution, call, recorded);
    case "held":
      return goOnHeld(execution, call, recorded);
    case "intended":
      return goOnIntended(execution, call, recorded);
    case "doubted":
      return goOnDoubted(execution, call, recorded);
    case "finished":
    case "refused":
      throw new Error(`The effect ${proposal.effect} has ended and cannot go on.`);
  }
}

function propose(execution: NodeExecution, call: Call, proposal: Proposal): Passed | Promise<Passed> {
  const verdict = call.judged ? judgeNew(execution.attempt, call) : null;
  if (verdict && verdict.decision !== "allow") {
    if (verdict.decision === "require_approval" && verdict.approval)
      return hold(execution, proposal, verdict, verdict.approval);
    return refuse(execution, call, proposal, verdict);
  }
  if (call.class === "read") return makeRead(execution, call, proposal, verdict);
  if (!verdict) throw new Error(`${call.action} changes something and is not judged.`);
  return intend(execution, call, proposal, verdict, null);
}

function judgeNew(attempt: Attempt, call: Call): Verdict {
  const verdict = attempt.judge(call, false);
  const starts = call.kind === "ask" || (call.message !== undefined && call.message.kind !== "reply");
  if (!starts || attempt.depth < attempt.limits.maxDepth) return verdict;
  return {
    ...verdict,
    decision: "deny",
    reason: `${String(attempt.limits.maxDepth)} asks and messages already stand above this run: agents seem to call each other in a circle.`,
    fault: "too_deep",
  };
}

function turnAway(execution: NodeExecution, call: Call): Promise<never> {
  if (execution.further === "unheard") {
    execution.turnedAway(() => interruptCaught(execution, call.action));
    return new Promise<never>(() => undefined);
  }
  return Promise.reject(
    new EffectOutsideNodeError(
      `${call.action} was called after the node ${execution.key} had ended. Await every call before the node returns.`,
      { details: { action: call.action, node: execution.key } },
    ),
  );
}

function interruptCaught({ attempt, key }: NodeExecution, action: string): InterruptCaughtError {
  return new InterruptCaughtError(attempt.head.agent, key, `it then called ${action}, in a catch or a finally`);
}
