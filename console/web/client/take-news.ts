import type { InfiniteData, QueryClient } from "@tanstack/react-query";
import type { ApprovalView, QuestionView, SessionsPage, SessionSummary } from "../../../runtime/core/protocol.ts";
import { WATCHED_APPROVALS, WATCHED_QUESTIONS, withNews, type Watched, type WatchedDoubt } from "../inbox/watched.ts";
import { withSession } from "../sessions/sessions-cache.ts";
import { approvalKeys, doubtsKey, questionKeys, type InboxKeys } from "./queries.ts";
import type { SessionsFilter } from "./requests.ts";

/** Takes an approval that is new or has changed into everything that is kept of approvals. */
export function takeApproval(client: QueryClient, told: ApprovalView): void {
  take(client, WATCHED_APPROVALS, approvalKeys, told);
}

export function takeQuestion(client: QueryClient, told: QuestionView): void {
  take(client, WATCHED_QUESTIONS, questionKeys, told);
}

function take<View>(client: QueryClient, kind: Watched<View>, keys: InboxKeys, told: View): void {
  client.setQueryData<readonly View[]>(keys.waiting, (list) => list && withNews(kind, list, told));
  client.setQueryData<View>(keys.one(kind.id(told)), (old) => old && told);
  if (!kind.waits(told)) void client.invalidateQueries({ queryKey: keys.settled });
}

/** Takes a session that is new or has changed into every list of sessions that has been read. */
export function takeSession(client: QueryClient, session: SessionSummary): void {
  for (const [key, data] of client.getQueriesData<InfiniteData<SessionsPage>>({ queryKey: ["sessions"] })) {
    if (data === undefined) continue;
    const [, status, agent] = key as readonly string[];
    const filter = { status: status || undefined, agent: agent || undefined } as SessionsFilter;
    const pages = withSession(data.pages, session, filter);
    if (pages !== data.pages) client.setQueryData<InfiniteData<SessionsPage>>(key, { ...data, pages: [...pages] });
  }
  // Calls in doubt have no message of their own: a session that has one, or had one, is the hint.
  const known = client.getQueryData<readonly WatchedDoubt[]>(doubtsKey);
  const had = known?.some(({ doubt, settled }) => doubt.session === session.session && !settled) ?? false;
  if (had || session.waits.some((wait) => wait.kind === "doubt")) {
    void client.invalidateQueries({ queryKey: doubtsKey });
  }
}

/** Drops what was kept only because somebody was looking at it. */
export function dropSettled(client: QueryClient): void {
  const keep = <View>(kind: Watched<View>, keys: InboxKeys): void => {
    client.setQueryData<readonly View[]>(keys.waiting, (list) => list?.filter(kind.waits));
  };
  keep(WATCHED_APPROVALS, approvalKeys);
  keep(WATCHED_QUESTIONS, questionKeys);
  client.setQueryData<readonly WatchedDoubt[]>(doubtsKey, (list) => list?.filter((doubt) => !doubt.settled));
}
