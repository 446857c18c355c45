import { infiniteQueryOptions, keepPreviousData, queryOptions, type QueryClient } from "@tanstack/react-query";
import {
  stillWatched,
  stillWatchedDoubts,
  WATCHED_APPROVALS,
  WATCHED_QUESTIONS,
  type Watched,
  type WatchedDoubt,
} from "../inbox/watched.ts";
import type { Api } from "./api.ts";
import type { SessionsFilter } from "./requests.ts";

/** What is read from the server, and under which key it is kept. */
export const queries = {
  me: (api: Api) => queryOptions({ queryKey: ["me"], queryFn: ({ signal }) => api.me(signal), staleTime: 5 * 60_000 }),

  agents: (api: Api) =>
    queryOptions({ queryKey: ["agents"], queryFn: ({ signal }) => api.agents(signal), staleTime: 60_000 }),

  sessions: (api: Api, filter: SessionsFilter) =>
    infiniteQueryOptions({
      queryKey: ["sessions", filter.status ?? "", filter.agent ?? ""],
      queryFn: ({ pageParam, signal }) => api.sessions(filter, pageParam, signal),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.next,
      placeholderData: keepPreviousData,
    }),

  session: (api: Api, session: string) =>
    queryOptions({ queryKey: ["session", session], queryFn: ({ signal }) => api.session(session, signal) }),

  /** What is recorded does not change: a state, once read, stays as it is. */
  sessionState: (api: Api, session: string, run: string, seq: number) =>
    queryOptions({
      queryKey: ["session", session, "state", run, seq],
      queryFn: ({ signal }) => api.sessionState(session, run, seq, signal),
      staleTime: Infinity,
      gcTime: 5 * 60_000,
    }),

  /** Keyed by how many events it covers: it says nothing of later ones. */
  verify: (api: Api, session: string, events: number) =>
    queryOptions({
      queryKey: ["session", session, "verify", events],
      queryFn: ({ signal }) => api.verify(session, signal),
      staleTime: Infinity,
      placeholderData: keepPreviousData,
    }),

  pendingApprovals: (api: Api, client: QueryClient) =>
    queryOptions({
      queryKey: approvalKeys.waiting,
      queryFn: async ({ signal }) =>
        withWatched(client, WATCHED_APPROVALS, approvalKeys, await api.approvals("pending", signal), (id) =>
          api.approval(id, signal),
        ),
    }),

  approval: (api: Api, approval: string) =>
    queryOptions({ queryKey: approvalKeys.one(approval), queryFn: ({ signal }) => api.approval(approval, signal) }),

  decidedApprovals: (api: Api) =>
    queryOptions({ queryKey: approvalKeys.settled, queryFn: ({ signal }) => api.approvals("decided", signal) }),

  openQuestions: (api: Api, client: QueryClient) =>
    queryOptions({
      queryKey: questionKeys.waiting,
      queryFn: async ({ signal }) =>
        withWatched(client, WATCHED_QUESTIONS, questionKeys, await api.questions("open", signal), (id) =>
          api.question(id, signal),
        ),
    }),

  question: (api: Api, question: string) =>
    queryOptions({ queryKey: questionKeys.one(question), queryFn: ({ signal }) => api.question(question, signal) }),

  pastQuestions: (api: Api) =>
    queryOptions({ queryKey: questionKeys.settled, queryFn: ({ signal }) => api.questions("past", signal) }),

  doubts: (api: Api, client: QueryClient) =>
    queryOptions({
      queryKey: doubtsKey,
      queryFn: async ({ signal }): Promise<readonly WatchedDoubt[]> => {
        const doubts = await api.doubts(signal);
        return stillWatchedDoubts(client.getQueryData<readonly WatchedDoubt[]>(doubtsKey) ?? [], doubts);
      },
    }),
};

/** Under which keys one kind of the inbox's things is kept; all of them begin with `all`. */
export interface InboxKeys {
  readonly all: readonly [string];
  readonly waiting: readonly [string, "waiting"];
  readonly settled: readonly [string, "settled"];
  readonly one: (id: string) => readonly [string, "one", string];
}

export const approvalKeys = inboxKeys("approvals");
export const questionKeys = inboxKeys("questions");
export const doubtsKey = ["doubts"] as const;

function inboxKeys(kind: string): InboxKeys {
  return { all: [kind], waiting: [kind, "waiting"], settled: [kind, "settled"], one: (id) => [kind, "one", id] };
}

/** What waits, and what was settled while somebody was looking at it, read once more. */
async function withWatched<View>(
  client: QueryClient,
  kind: Watched<View>,
  keys: InboxKeys,
  waiting: readonly View[],
  read: (id: string) => Promise<View>,
): Promise<readonly View[]> {
  const before = client.getQueryData<readonly View[]>(keys.waiting) ?? [];
  const still = new Set(waiting.map(kind.id));
  const gone = before.map(kind.id).filter((id) => !still.has(id));
  const told = await Promise.allSettled(gone.map(read));
  const settled = told.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  return stillWatched(kind, before, waiting, settled);
}
