import { ForbiddenError } from "./errors.ts";
import type { Principal } from "./people.ts";

/** @throws `ForbiddenError` for whoever may not do what is about to be done. */
export function assertOperator(by: Principal, what: string): void {
  if (by.roles.includes("operator")) return;
  throw new ForbiddenError(`"${by.name}" may not ${what}: it needs the role operator. An administrator can give it.`, {
    details: { needs: ["operator"] },
  });
}

/**
 * Decisions and answers are asked of people: a service account never gives one.
 *
 * @throws `ForbiddenError` for whoever may not give what is about to be given.
 */
export function assertDecider(by: Principal, what: string): void {
  assertOperator(by, what);
  if (by.kind === "person") return;
  throw new ForbiddenError(`"${by.name}" may not ${what}: it is a service account, and people do that.`, {
    details: { needs: ["operator"], person: true },
  });
}
