import { SignalboxError, type ErrorOptions, type ErrorRecord } from "../core/errors.ts";
import type { QuarantineReason } from "../core/messages.ts";
import type { Verdict } from "../core/verdict.ts";

/**
 * The rules, or the people whom the rules asked, refused a call. An agent may catch it; the refusal is
 * recorded either way.
 */
export class CallRefusedError extends SignalboxError {
  static override readonly code = "CALL_REFUSED";
  readonly verdict: Verdict;
  /** The id of the rule that weighed most, or null where no rule permitted the call. */
  readonly rule: string | null;
  readonly reason: string;

  constructor(action: string, verdict: Verdict) {
    const rule = verdict.rules.find((candidate) => candidate.effect !== "permit")?.id ?? null;
    super(`The call of ${action} was refused${rule === null ? "" : ` by the rule ${rule}`}: ${verdict.reason}`, {
      details: { action, rule },
    });
    this.verdict = verdict;
    this.rule = rule;
    this.reason = verdict.reason;
  }
}

/** A tool, model or memory call ended with an error. The same error is given in every later attempt. */
export class CallFailedError extends SignalboxError {
  static override readonly code = "CALL_FAILED";
  /** What went wrong, as recorded. */
  readonly error: ErrorRecord;

  constructor(action: string, error: ErrorRecord) {
    super(`The call of ${action} failed: ${error.message}`, {
      details: { action, name: error.name, ...(error.code === undefined ? {} : { code: error.code }) },
    });
    this.error = error;
  }
}

/** The run that was asked did not answer: it failed or was cancelled. */
export class AskFailedError extends SignalboxError {
  static override readonly code = "ASK_FAILED";
  readonly error: ErrorRecord;

  constructor(agent: string, error: ErrorRecord) {
    super(`The agent ${agent} did not answer: ${error.message}`, { details: { agent, name: error.name } });
    this.error = error;
  }
}

/** The arguments of a call do not fit the schema of what is called. Nothing was called. */
export class InvalidArgumentsError extends SignalboxError {
  static override readonly code = "INVALID_ARGUMENTS";
}

/** What a tool returned does not fit its output schema. The call itself did happen. */
export class InvalidOutputError extends SignalboxError {
  static override readonly code = "INVALID_OUTPUT";
}

/** A tool took longer than its `timeoutMs`. */
export class CallTimeoutError extends SignalboxError {
  static override readonly code = "CALL_TIMEOUT";
}

/** An operator gave a call up that was in doubt. Whether it happened is not known. */
export class CallGivenUpError extends SignalboxError {
  static override readonly code = "CALL_GIVEN_UP";
}

/** A call had been started when its run failed; it turned out that it did not happen, and it is not made again. */
export class CallNotMadeError extends SignalboxError {
  static override readonly code = "CALL_NOT_MADE";
}

/** An idempotent call was cut off because its run or its node ended: it may have happened, and may be made again. */
export class CallCutOffError extends SignalboxError {
  static override readonly code = "CALL_CUT_OFF";
}

/** A node took longer than it may. Its calls were cut off, and what became of them is found out. */
export class NodeTimeoutError extends SignalboxError {
  static override readonly code = "NODE_TIMEOUT";
}

/** Somebody cancelled the run, or the run that asked for it has ended. */
export class RunCancelledError extends SignalboxError {
  static override readonly code = "RUN_CANCELLED";
}

/** The run had to have ended by its deadline, and had not. */
export class RunDeadlineError extends SignalboxError {
  static override readonly code = "RUN_DEADLINE";
}

/** A chat model was called that the configuration does not have. Nothing was called. */
export class ModelMissingError extends SignalboxError {
  static override readonly code = "MODEL_MISSING";
}

/** A tool or an agent cannot be handed to models under its name: two would have the same, or it is too long. */
export class ModelToolNameError extends SignalboxError {
  static override readonly code = "MODEL_TOOL_NAME";
}

/** An answer is larger than a message can be. It is whole in the record of the run that gave it. */
export class MessageTooLargeError extends SignalboxError {
  static override readonly code = "MESSAGE_TOO_LARGE";
}

/** A call was made outside a running node: in a branch function, a reducer, or after the node had ended. */
export class EffectOutsideNodeError extends SignalboxError {
  static override readonly code = "EFFECT_OUTSIDE_NODE";
}

/**
 * The code asked for something else than what the journal holds of this node execution. The code has
 * changed while the run waited, or it depends on something that is not recorded.
 */
export class NonDeterminismError extends SignalboxError {
  static override readonly code = "NON_DETERMINISM";
}

/** A node returned, or a run was given, something that cannot be recorded. */
export class UnrecordableValueError extends SignalboxError {
  static override readonly code = "UNRECORDABLE_VALUE";
}

/** An agent's graph cannot be built: its own code, or LangGraph, refuses it. */
export class InvalidGraphError extends SignalboxError {
  static override readonly code = "INVALID_GRAPH";
}

/** An agent uses something of LangGraph that Signalbox does not govern yet. */
export class UnsupportedGraphError extends SignalboxError {
  static override readonly code = "UNSUPPORTED_GRAPH";
}

/** A node's code caught what LangGraph's `interrupt()` threw, and went on as if it had been answered. */
export class InterruptCaughtError extends SignalboxError {
  static override readonly code = "INTERRUPT_CAUGHT";

  constructor(agent: string, node: string, what: string, options?: { readonly cause?: unknown }) {
    super(
      `The node ${node} of ${agent} called LangGraph's interrupt(), and its code caught what that throws: ${what}. The question was put to nobody. Call interrupt() outside try and catch, or throw again what isGraphInterrupt() knows.`,
      { details: { agent, node }, ...options },
    );
  }
}

/** A graph made more supersteps than it may. */
export class SuperstepLimitError extends SignalboxError {
  static override readonly code = "SUPERSTEP_LIMIT";
}

/** The lease on the run has run out, or may have: the attempt stops before it calls anything else. */
export class LeaseLostError extends SignalboxError {
  static override readonly code = "LEASE_LOST";
  static override readonly disposition = "retry";
}

/** Events of a run are missing: going on from a part of the record could repeat what the rest of it did. */
export class RecordIncompleteError extends SignalboxError {
  static override readonly code = "RECORD_INCOMPLETE";
}

/** This worker is stopping: what was brought to it is for another one. */
export class WorkerStoppingError extends SignalboxError {
  static override readonly code = "WORKER_STOPPING";
  static override readonly disposition = "retry";
}

/** A message from NATS is not what it should be; it was set aside. */
export class BadMessageError extends SignalboxError {
  static override readonly code = "BAD_MESSAGE";
  readonly reason: QuarantineReason;

  constructor(reason: QuarantineReason, detail: string) {
    super(`A message was set aside (${reason}): ${detail}`, { details: { reason } });
    this.reason = reason;
  }
}

/** An ask whose answer is not wanted any more: another agent has answered first. */
export class AskWithdrawnError extends SignalboxError {
  static override readonly code = "ASK_WITHDRAWN";
}

/** An ask that could not be brought to anybody. */
export class UndeliverableError extends SignalboxError {
  static override readonly code = "UNDELIVERABLE";
}

export type { ErrorOptions };
