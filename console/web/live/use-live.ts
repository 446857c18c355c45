import { useCallback, useEffect, useSyncExternalStore } from "react";
import type { InfiniteData } from "@tanstack/react-query";
import { useApp, type App } from "../app/context.ts";
import type { ApprovalView, SessionsPage, SessionSummary } from "../../../runtime/core/protocol.ts";
import { doubtsKey, oneApprovalKey, pendingApprovalsKey } from "../client/queries.ts";
import type { SessionsFilter } from "../client/requests.ts";
import { withApproval, type WatchedDoubt } from "../approvals/watched.ts";
import { withSession } from "../sessions/sessions-cache.ts";
import type { Subscription } from "./connection.ts";
import type { ConnectionState } from "./connection-state.ts";

const RENEW_MS = 1000;
const GATHER_MS = 40;

/** The connection's state; the caller is drawn again when it changes. */
export function useConnectionState(): ConnectionState {
  const { live } = useApp();
  return useSyncExternalStore(
    useCallback((listener) => live.onState(listener), [live]),
    () => live.state,
  );
}

/** Opens the socket while the caller is shown, and keeps what the lists have read up to date. */
export function useLiveLists(): void {
  const app = useApp();
  useEffect(() => {
    const { live } = app;
    const changed = gather((session: SessionSummary) => takeSession(app, session));
    const timers = new Set<ReturnType<typeof setTimeout>>();
    // Subscribing again reads the list again. Not at once: the server has just said that it is too much.
    const renewLater = (subscription: Subscription, reason: string): void => {
      if (reason !== "forbidden") timers.add(setTimeout(() => subscription.renew(), RENEW_MS));
    };
    const approvals: Subscription = live.subscribe(
      () => ({ kind: "approvals" }),
      (message) => {
        if (message.type === "approval") takeApproval(app, message.approval);
        if (message.type === "resync") renewLater(approvals, message.reason);
      },
      () => void readApprovals(app),
    );
    const sessions: Subscription = live.subscribe(
      () => ({ kind: "sessions" }),
      (message) => {
        if (message.type === "session") changed.add(message.session);
        if (message.type === "resync") renewLater(sessions, message.reason);
      },
      () => {
        void app.queryClient.invalidateQueries({ queryKey: ["sessions"] });
        void app.queryClient.invalidateQueries({ queryKey: doubtsKey });
      },
    );
    const watch = live.onState(() => {
      // What could not be read while the server was away is read now.
      if (live.state.phase === "open") {
        void app.queryClient.refetchQueries({ predicate: (query) => query.state.status === "error" });
      }
      // A socket does not say why it was refused; asking who is signed in does.
      if (live.state.phase === "waiting" && live.state.attempt > 1) askWhoIsSignedIn(app);
      if (live.state.phase === "refused") askWhoIsSignedIn(app);
    });
    const retry = (): void => live.retryNow();
    window.addEventListener("online", retry);
    document.addEventListener("visibilitychange", retry);
    live.start();
    return () => {
      window.removeEventListener("online", retry);
      document.removeEventListener("visibilitychange", retry);
      watch();
      changed.stop();
      for (const timer of timers) clearTimeout(timer);
      approvals.end();
      sessions.end();
      live.stop();
    };
  }, [app]);
}

/** Hands on what comes in a burst (a new subscriber is told of many sessions) in one go, so that the page is drawn once. */
function gather<T>(take: (item: T) => void): { add(item: T): void; stop(): void } {
  let items: T[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    add: (item) => {
      items.push(item);
      timer ??= setTimeout(() => {
        const burst = items;
        items = [];
        timer = undefined;
        for (const each of burst) take(each);
      }, GATHER_MS);
    },
    stop: () => clearTimeout(timer),
  };
}

function readApprovals({ queryClient }: App): Promise<void> {
  return queryClient.invalidateQueries({ queryKey: ["approvals"] });
}

function askWhoIsSignedIn({ queryClient }: App): void {
  void queryClient.refetchQueries({ queryKey: ["me"] });
}

function takeApproval({ queryClient }: App, approval: ApprovalView): void {
  queryClient.setQueryData<readonly ApprovalView[]>(pendingApprovalsKey, (list) =>
    list === undefined ? undefined : withApproval(list, approval),
  );
  queryClient.setQueryData<ApprovalView>(oneApprovalKey(approval.approval), (old) => old && approval);
  if (approval.status !== "pending") void queryClient.invalidateQueries({ queryKey: ["approvals", "decided"] });
}

function takeSession({ queryClient }: App, session: SessionSummary): void {
  for (const [key, data] of queryClient.getQueriesData<InfiniteData<SessionsPage>>({ queryKey: ["sessions"] })) {
    if (data === undefined) continue;
    const [, status, agent] = key as readonly string[];
    const filter = { status: status || undefined, agent: agent || undefined } as SessionsFilter;
    const pages = withSession(data.pages, session, filter);
    if (pages !== data.pages) queryClient.setQueryData<InfiniteData<SessionsPage>>(key, { ...data, pages: [...pages] });
  }
  // Doubts have no message of their own: a session that has one, or had one, is the hint.
  const known = queryClient.getQueryData<readonly WatchedDoubt[]>(doubtsKey);
  const had = known?.some(({ doubt, settled }) => doubt.session === session.session && !settled) ?? false;
  if (had || session.waits.some((wait) => wait.kind === "doubt")) {
    void queryClient.invalidateQueries({ queryKey: doubtsKey });
  }
}
