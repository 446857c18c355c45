import { InvalidInputError } from "../core/errors.ts";

/** @throws `InvalidInputError` for a reason that says nothing, or that cannot be recorded. */
export function assertReason(reason: string): void {
  if (reason.trim() !== "" && reason.isWellFormed() && !reason.includes("\u0000")) return;
  throw new InvalidInputError("Say why, in plain text: it stays on the record. Nothing was changed.");
}
