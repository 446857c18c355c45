import type { CallRefusedError } from "signalbox";
import type { Settlement } from "./claim.ts";

/** A refused call as a settlement: who said no (a rule, or the people whom a rule asked), and why. */
export function refusalOf(error: CallRefusedError): Exclude<Settlement, { status: "paid" }> {
  const { verdict, reason } = error;
  const rules = verdict.rules.filter(({ effect }) => effect !== "permit").map(({ id }) => id);
  // Only a call that was held names an approval: then it was people who refused it, or who did not answer.
  return { status: verdict.approval ? "not_approved" : "denied", rules, reason };
}
