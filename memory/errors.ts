import { SignalboxError } from "../runtime/core/errors.ts";

/** A namespace holds vectors of another embedder: the two cannot be compared. */
export class EmbedderMismatchError extends SignalboxError {
  static override readonly code = "EMBEDDER_MISMATCH";
}

/** An embedder returned something other than one vector of its own length for each text. */
export class EmbedderFaultError extends SignalboxError {
  static override readonly code = "EMBEDDER_FAULT";
}

/** What was to be remembered or recalled cannot be: no text, a bad namespace, a limit out of range. */
export class InvalidMemoryError extends SignalboxError {
  static override readonly code = "INVALID_MEMORY";
}
