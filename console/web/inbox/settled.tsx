import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { ApprovalView, QuestionView } from "../../../runtime/core/protocol.ts";
import { queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import { ErrorState, Loading, StateMessage } from "../ui/states.tsx";
import { ApprovalCard } from "./approval-card.tsx";
import { QuestionCard } from "./question-card.tsx";

/** What people decided and answered, the latest first. */
export function Settled() {
  const { api } = useApp();
  const approvals = useQuery(queries.decidedApprovals(api));
  const questions = useQuery(queries.pastQuestions(api));
  if (approvals.isPending || questions.isPending) return <Loading what="what was settled" rows={3} />;
  const error = approvals.error ?? questions.error;
  if (error !== null && (approvals.data === undefined || questions.data === undefined)) {
    const again = (): void => {
      void approvals.refetch();
      void questions.refetch();
    };
    return <ErrorState error={error} what="list of what was settled" retry={again} />;
  }
  const cards = [...(approvals.data ?? []).map(ofApproval), ...(questions.data ?? []).map(ofQuestion)];
  if (cards.length === 0) {
    return (
      <StateMessage title="Nothing was settled yet">
        Decisions and answers stay listed here, with who gave them.
      </StateMessage>
    );
  }
  return <div className="cards">{cards.toSorted((a, b) => b.at - a.at).map(({ card }) => card)}</div>;
}

interface DatedCard {
  readonly at: number;
  readonly card: ReactNode;
}

function ofApproval(approval: ApprovalView): DatedCard {
  // One that expired was settled by its time, one that is void by something that no person did.
  const decided = approval.decisions.at(-1)?.at;
  const at = approval.status === "expired" ? approval.expiresAt : (decided ?? approval.requestedAt);
  return { at, card: <ApprovalCard key={approval.approval} approval={approval} pointedAt={false} folded /> };
}

function ofQuestion(question: QuestionView): DatedCard {
  const at = question.answered?.at ?? question.askedAt;
  return { at, card: <QuestionCard key={question.question} question={question} pointedAt={false} /> };
}
