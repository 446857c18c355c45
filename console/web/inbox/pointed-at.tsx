import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import { ErrorState, Loading } from "../ui/states.tsx";
import { ApprovalCard } from "./approval-card.tsx";
import { QuestionCard } from "./question-card.tsx";

/** What a link points at and what no longer waits, read by itself. */
export function PointedAtApproval({ approval }: { readonly approval: string }) {
  const { api } = useApp();
  return read(useQuery(queries.approval(api, approval)), "approval", (view) => (
    <ApprovalCard approval={view} pointedAt />
  ));
}

export function PointedAtQuestion({ question }: { readonly question: string }) {
  const { api } = useApp();
  return read(useQuery(queries.question(api, question)), "question", (view) => (
    <QuestionCard question={view} pointedAt />
  ));
}

function read<View>(query: UseQueryResult<View>, what: string, show: (view: View) => ReactNode): ReactNode {
  if (query.isPending) return <Loading what={`the ${what}`} rows={2} />;
  if (query.isError) return <ErrorState error={query.error} what={what} retry={() => void query.refetch()} />;
  return show(query.data);
}
