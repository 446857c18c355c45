import { ConflictError } from "../core/errors.ts";

/** A start key came again with another input than the one that it started a run with. */
export class StartKeyUsedError extends ConflictError {
  static override readonly code = "START_KEY_USED";
}
