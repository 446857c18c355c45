import { ConflictError, SignalboxError } from "../core/errors.ts";

/** A start key came again with another input than the one that it started a run with. */
export class StartKeyUsedError extends ConflictError {
  static override readonly code = "START_KEY_USED";
}

/** A run that was begun did not get into the journal. */
export class RunNotRecordedError extends SignalboxError {
  static override readonly code = "RUN_NOT_RECORDED";
  static override readonly disposition = "retry";
}
