import { infiniteQueryOptions, keepPreviousData, queryOptions, type QueryClient } from "@tanstack/react-query";
import type { ApprovalView } from "../../../runtime/core/protocol.ts";
import { stillWatchedApprovals, stillWatchedDoubts, type WatchedDoubt } from "../approvals/watched.ts";
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

  /**
   * What waits for people, and what was decided while somebody was looking at it: a card must not
   * vanish under the hands of the person who is typing into it.
   */
  pendingApprovals: (api: Api, client: QueryClient) =>
    queryOptions({
      queryKey: pendingApprovalsKey,
      queryFn: async ({ signal }) => {
        const pending = await api.approvals("pending", signal);
        const before = client.getQueryData<readonly ApprovalView[]>(pendingApprovalsKey) ?? [];
        const gone = before.filter((old) => !pending.some(({ approval }) => approval === old.approval));
        const told = await Promise.allSettled(gone.map((old) => api.approval(old.approval, signal)));
        const decided = told.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
        return stillWatchedApprovals(before, pending, decided);
      },
    }),

  approval: (api: Api, approval: string) =>
    queryOptions({ queryKey: oneApprovalKey(approval), queryFn: ({ signal }) => api.approval(approval, signal) }),

  decidedApprovals: (api: Api) =>
    queryOptions({ queryKey: ["approvals", "decided"], queryFn: ({ signal }) => api.approvals("decided", signal) }),

  doubts: (api: Api, client: QueryClient) =>
    queryOptions({
      queryKey: doubtsKey,
      queryFn: async ({ signal }): Promise<readonly WatchedDoubt[]> => {
        const doubts = await api.doubts(signal);
        return stillWatchedDoubts(client.getQueryData<readonly WatchedDoubt[]>(doubtsKey) ?? [], doubts);
      },
    }),
};

export const oneApprovalKey = (approval: string) => ["approvals", "one", approval] as const;
export const pendingApprovalsKey = ["approvals", "pending"] as const;
export const doubtsKey = ["doubts"] as const;
