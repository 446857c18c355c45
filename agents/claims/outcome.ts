import type { Assessment, Claim, Outcome, Policy, Proposal, Settlement, Signal } from "./claim.ts";
import type { Rejection } from "./validate.ts";

/** The payment to propose, with everything that was found: the rules and people judge it, not this code. */
export function proposalOf(found: {
  readonly claim: Claim;
  readonly policy: Policy;
  readonly assessment: Assessment;
  readonly signals: readonly Signal[];
}): Proposal {
  const { claim, policy, assessment, signals } = found;
  return {
    claimId: claim.claimId,
    policyId: policy.policyId,
    payee: { name: claim.payee.name, iban: claim.payee.iban },
    amountMinor: assessment.payableMinor,
    currency: policy.currency,
    limitMinor: assessment.limitMinor,
    policyInForce: assessment.policyInForce,
    fraudSignals: signals.map(({ signal }) => signal),
    findings: [
      assessment.cover,
      ...assessment.steps,
      ...signals.map(({ signal, reason }) => `${signal}: ${reason}`),
      ...assessment.similar.map((sentence) => `Similar: ${sentence}`),
    ],
  };
}

/** A claim that nobody was asked to pay: malformed, on no policy, or not covered. */
export function rejectedOutcome(claimId: string, { code, reason }: Rejection): Outcome {
  return {
    claimId,
    status: "rejected",
    paidMinor: 0,
    proposedMinor: 0,
    currency: "",
    code,
    rules: [],
    signals: [],
    reason,
    receipt: "",
  };
}

/** A claim whose payment was proposed, or would have been, had the rules let the team look at it. */
export function settledOutcome(
  about: Pick<Outcome, "claimId" | "currency" | "proposedMinor" | "signals">,
  settlement: Settlement,
): Outcome {
  const paid = settlement.status === "paid";
  return {
    ...about,
    status: settlement.status,
    paidMinor: paid ? about.proposedMinor : 0,
    code: "",
    rules: paid ? [] : settlement.rules,
    reason: paid ? "" : settlement.reason,
    receipt: paid ? settlement.receipt : "",
  };
}
