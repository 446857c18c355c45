import { ConflictError, SignalboxError } from "../core/errors.ts";

/** The run has ended: there is nothing left to cancel. */
export class RunEndedError extends ConflictError {
  static override readonly code = "RUN_ENDED";
}

/** Only a run that is in quarantine can be released from it. */
export class NotQuarantinedError extends ConflictError {
  static override readonly code = "NOT_QUARANTINED";
}

/** The run goes on by itself, or belongs to a session that has to be started again as a whole. */
export class NotRestartableError extends ConflictError {
  static override readonly code = "NOT_RESTARTABLE";
}

/** Sending this message once more would reach nobody, or would put words into an agent's mouth. */
export class NotRedrivableError extends ConflictError {
  static override readonly code = "NOT_REDRIVABLE";
}

/** Somebody has redriven or dropped the dead letter before. */
export class DeadLetterSettledError extends ConflictError {
  static override readonly code = "DEAD_LETTER_SETTLED";
}

/** Somebody has looked at the quarantined message before. */
export class AlreadyDismissedError extends ConflictError {
  static override readonly code = "ALREADY_DISMISSED";
}

/** A worker has the agent, and says that it listens. */
export class ListenerThereError extends ConflictError {
  static override readonly code = "LISTENER_THERE";
}

/** As much waits for an agent as may: whoever sends it more has to wait. */
export class QueueFullError extends SignalboxError {
  static override readonly code = "QUEUE_FULL";
  static override readonly disposition = "retry";
}

/** The same publisher has published something else under this id. */
export class PublishIdUsedError extends ConflictError {
  static override readonly code = "PUBLISH_ID_USED";
}
