import type { ApprovalView } from "../../../runtime/core/protocol.ts";

/**
 * What has become of an approval, and by whom, as one or two sentences.
 *
 * @param reader the name of the person who reads it, where it is one of those who decided: they are "you"
 */
export function outcomeWords(approval: ApprovalView, reader?: string): string {
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
      return `${names(approvers, reader)} approved. The call is made as soon as a worker is free.`;
    case "consumed":
      return `${names(approvers, reader)} approved, and the call was made.`;
    case "rejected":
      return `${names(rejecter === undefined ? [] : [rejecter], reader)} rejected. The call is not made; the agent is told why.`;
    case "expired":
      return "The time was over before enough people agreed. The call is not made.";
    case "void":
      return "This approval no longer counts: the call or the rules have changed.";
  }
}

const AND = new Intl.ListFormat("en-GB", { type: "conjunction" });

function names(people: readonly string[], reader: string | undefined): string {
  if (people.length === 0) return "Somebody";
  const others = people.filter((name) => name !== reader);
  if (others.length === people.length) return AND.format(people);
  return others.length === 0 ? "You" : AND.format([...others, "you"]);
}
