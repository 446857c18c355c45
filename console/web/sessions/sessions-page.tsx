import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import type { SessionSummary } from "../../../runtime/core/protocol.ts";
import { queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import { ErrorState, Loading, StateMessage } from "../ui/states.tsx";
import { count } from "../ui/words.ts";
import { loadedSessions } from "./sessions-cache.ts";
import { SessionsFilters } from "./sessions-filters.tsx";
import { SessionsTable } from "./sessions-table.tsx";
import { useArrivals } from "./use-arrivals.ts";

const route = getRouteApi("/signed-in/sessions");
const NO_SESSIONS: readonly SessionSummary[] = [];

/** Where is the session I mean? The live list of all of them. */
export function SessionsPage() {
  const { api } = useApp();
  const filter = route.useSearch();
  const query = useInfiniteQuery(queries.sessions(api, filter));
  const pages = query.data?.pages;
  const sessions = useMemo(() => (pages === undefined ? NO_SESSIONS : loadedSessions(pages)), [pages]);
  const { shown, arrived, showArrived } = useArrivals(sessions);
  const filtered = filter.status !== undefined || filter.agent !== undefined;
  return (
    <>
      <div className="page-head">
        <h1>Sessions</h1>
        <SessionsFilters filter={filter} />
      </div>
      {arrived > 0 && (
        <button type="button" className="arrived" onClick={showArrived}>
          {count(arrived, "new session")}: show
        </button>
      )}
      {query.isPending ? (
        <Loading what="sessions" rows={10} />
      ) : query.isError && sessions.length === 0 ? (
        <ErrorState error={query.error} what="list of sessions" retry={() => void query.refetch()} />
      ) : sessions.length === 0 ? (
        <NoSessions filtered={filtered} />
      ) : (
        <div className={query.isPlaceholderData ? "stale" : undefined} aria-busy={query.isPlaceholderData}>
          <SessionsTable sessions={shown} />
          <p className="list-end">
            {query.hasNextPage ? (
              <button type="button" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                {query.isFetchingNextPage ? "Loading…" : "Show older sessions"}
              </button>
            ) : (
              `${count(sessions.length, "session")}. That is all${filtered ? " that fit the filter" : ""}.`
            )}
          </p>
        </div>
      )}
    </>
  );
}

function NoSessions({ filtered }: { readonly filtered: boolean }) {
  return filtered ? (
    <StateMessage title="No session fits this filter">New ones that fit appear here by themselves.</StateMessage>
  ) : (
    <StateMessage title="No sessions yet">
      <p>A session begins when an agent is started, for example with</p>
      <p>
        <code>npx signalbox run AGENT --input FILE</code>
      </p>
      <p>It appears here by itself.</p>
    </StateMessage>
  );
}
