import { ConflictError, ForbiddenError, InvalidInputError } from "../core/errors.ts";

/** The approval is decided already, by the decisions of others or by the end of its time. */
export class AlreadyDecidedError extends ConflictError {
  static override readonly code = "ALREADY_DECIDED";
}

/** The decision was made on something else than what the call would be made with. */
export class ArgsMismatchError extends ConflictError {
  static override readonly code = "ARGS_MISMATCH";
}

/** Nobody decides on a run that they started themselves. */
export class SelfApprovalError extends ForbiddenError {
  static override readonly code = "SELF_APPROVAL";
}

/** Only members of the pool that the rule names may decide. */
export class NotInPoolError extends ForbiddenError {
  static override readonly code = "NOT_IN_POOL";
}

/** A rejection needs a reason that the agent and the auditor can read. */
export class ReasonMissingError extends ConflictError {
  static override readonly code = "REASON_MISSING";
}

/** An answer does not fit what the question asks for. */
export class InvalidAnswerError extends InvalidInputError {
  static override readonly code = "INVALID_ANSWER";
}

/** The result that a person gives for a call in doubt is none that its tool could have returned. */
export class InvalidResultError extends InvalidInputError {
  static override readonly code = "INVALID_RESULT";
}
