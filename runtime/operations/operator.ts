import { ForbiddenError, InvalidInputError } from "../core/errors.ts";
import type { Principal } from "../core/people.ts";

/** @throws `ForbiddenError` for whoever may not do what is about to be done. */
export function assertOperator(by: Principal, what: string): void {
  if (by.roles.includes("operator")) return;
  throw new ForbiddenError(`"${by.name}" may not ${what}: it needs the role operator. An administrator can give it.`, {
    details: { needs: ["operator"] },
  });
}

/** @throws `InvalidInputError` for a reason that says nothing, or that cannot be recorded. */
export function assertReason(reason: string): void {
  if (reason.trim() !== "" && reason.isWellFormed() && !reason.includes("\u0000")) return;
  throw new InvalidInputError("Say why, in plain text: it stays on the record. Nothing was changed.");
}
