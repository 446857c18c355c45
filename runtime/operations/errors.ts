import { ConflictError } from "../core/errors.ts";

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
