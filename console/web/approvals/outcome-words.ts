import type { ApprovalView } from "../../../runtime/core/protocol.ts";

/** What has become of an approval, and by whom, as one or two sentences. */
export function outcomeWords(approval: ApprovalView): string {
  const { status, decisions, approversNeeded } = approval;
  const approvers = decisions.filter((decision) => decision.decision === "approve").map((decision) => decision.by);
  const rejecter = decisions.find((decision) => decision.decision === "reject")?.by;
  switch (status) {
    case "pending": {
      const missing = approversNeeded - approvers.length;
      if (missing <= 0) return "The call is about to be made.";
      return missing === 1 ? "One more person has to agree." : `${String(missing)} more people have to agree.`;
    }
    case "approved":
      return `${names(approvers)} approved. The call is made as soon as a worker is free.`;
    case "consumed":
      return `${names(approvers)} approved, and the call was made.`;
    case "rejected":
      return `${rejecter ?? "Somebody"} rejected. The call is not made; the agent is told why.`;
    case "expired":
      return "The time was over before enough people agreed. The call is not made.";
    case "void":
      return "This approval no longer counts: the call or the rules have changed.";
  }
}

function names(people: readonly string[]): string {
  if (people.length === 0) return "Somebody";
  if (people.length === 1) return people[0] ?? "";
  return `${people.slice(0, -1).join(", ")} and ${people.at(-1) ?? ""}`;
}
