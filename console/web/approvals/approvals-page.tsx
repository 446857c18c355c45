import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect } from "react";
import type { ApprovalView } from "../../../runtime/core/protocol.ts";
import { doubtsKey, pendingApprovalsKey, queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import { ErrorState, Loading, StateMessage } from "../ui/states.tsx";
import { ApprovalCard } from "./approval-card.tsx";
import { DoubtCard } from "./doubt-card.tsx";
import { doubtKey, type WatchedDoubt } from "./watched.ts";

const route = getRouteApi("/signed-in/approvals");

/** Should this happen? What waits for people, and what they decided. */
export function ApprovalsPage() {
  const { show, approval } = route.useSearch();
  return (
    <>
      <div className="page-head">
        <h1>Approvals</h1>
        <nav className="tabs" aria-label="Which approvals">
          <Link
            to="/approvals"
            search={{}}
            activeOptions={{ exact: true, includeSearch: false }}
            data-on={show === undefined}
          >
            Waiting
          </Link>
          <Link to="/approvals" search={{ show: "decided" }} data-on={show === "decided"}>
            Decided
          </Link>
        </nav>
      </div>
      {show === "decided" ? <Decided /> : <Waiting pointedAt={approval} />}
    </>
  );
}

function Waiting({ pointedAt }: { readonly pointedAt: string | undefined }) {
  const { api, queryClient } = useApp();
  const approvals = useQuery(queries.pendingApprovals(api, queryClient));
  const doubts = useQuery(queries.doubts(api, queryClient));
  // What was kept only because it was being looked at goes when the page is left.
  useEffect(
    () => () => {
      queryClient.setQueryData<readonly ApprovalView[]>(pendingApprovalsKey, (list) =>
        list?.filter((approval) => approval.status === "pending"),
      );
      queryClient.setQueryData<readonly WatchedDoubt[]>(doubtsKey, (list) => list?.filter((doubt) => !doubt.settled));
    },
    [queryClient],
  );
  if (approvals.isPending) return <Loading what="approvals" rows={3} />;
  if (approvals.isError && approvals.data === undefined) {
    return <ErrorState error={approvals.error} what="list of approvals" retry={() => void approvals.refetch()} />;
  }
  const pending = approvals.data;
  const doubted = doubts.data ?? [];
  const elsewhere = pointedAt !== undefined && !pending.some(({ approval }) => approval === pointedAt);
  return (
    <div className="cards">
      {elsewhere && <PointedAt approval={pointedAt} />}
      {doubted.length > 0 && (
        <section aria-labelledby="doubts">
          <h2 id="doubts" className="section-title">
            In doubt
            <span className="dim"> Started, but how they ended is not known. Each needs a person.</span>
          </h2>
          {doubted.map(({ doubt, settled }) => (
            <DoubtCard key={doubtKey(doubt)} doubt={doubt} settled={settled} />
          ))}
        </section>
      )}
      {doubts.isError && (
        <p className="notice bad" role="alert">
          The calls in doubt could not be read: {doubts.error.message}
        </p>
      )}
      {pending.length > 0 && (
        <section aria-label="Waiting for a decision">
          {doubted.length > 0 && <h2 className="section-title">Waiting for a decision</h2>}
          {pending.map((approval) => (
            <ApprovalCard key={approval.approval} approval={approval} pointedAt={approval.approval === pointedAt} />
          ))}
        </section>
      )}
      {pending.length === 0 && doubted.length === 0 && !elsewhere && (
        <StateMessage title="Nothing waits for a decision">
          Calls that the rules hold for people appear here by themselves.
        </StateMessage>
      )}
    </div>
  );
}

/** A link may point at an approval that was decided long ago. */
function PointedAt({ approval }: { readonly approval: string }) {
  const { api } = useApp();
  const query = useQuery(queries.approval(api, approval));
  if (query.isPending) return <Loading what="the approval" rows={2} />;
  if (query.isError) return <ErrorState error={query.error} what="approval" retry={() => void query.refetch()} />;
  return <ApprovalCard approval={query.data} pointedAt />;
}

function Decided() {
  const { api } = useApp();
  const query = useQuery(queries.decidedApprovals(api));
  if (query.isPending) return <Loading what="approvals" rows={3} />;
  if (query.isError && query.data === undefined) {
    return <ErrorState error={query.error} what="list of approvals" retry={() => void query.refetch()} />;
  }
  const decided = query.data;
  if (decided.length === 0) {
    return <StateMessage title="Nothing was decided yet">Decisions stay listed here, with who made them.</StateMessage>;
  }
  return (
    <div className="cards">
      {decided.map((approval) => (
        <ApprovalCard key={approval.approval} approval={approval} pointedAt={false} />
      ))}
    </div>
  );
}
