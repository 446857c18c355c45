import { useCallback, useEffect, useSyncExternalStore } from "react";
import { takeApproval, takeQuestion, takeSession } from "../client/take-news.ts";
import { approvalKeys, doubtsKey, questionKeys } from "../client/queries.ts";
import { useApp, type App } from "../app/context.ts";
import type { SessionSummary } from "../../../runtime/core/protocol.ts";
import type { ConnectionState } from "./connection-state.ts";
import type { LiveConnection, Subscription, Topic, TopicMessage } from "./connection.ts";

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
    const { live, queryClient } = app;
    const changed = gather((session: SessionSummary) => takeSession(queryClient, session));
    const readAgain = (...keys: readonly (readonly string[])[]): void => {
      for (const queryKey of keys) void queryClient.invalidateQueries({ queryKey });
    };
    const watched = [
      watchList(
        live,
        "approvals",
        (message) => {
          if (message.type === "approval") takeApproval(queryClient, message.approval);
        },
        () => readAgain(approvalKeys.all),
      ),
      watchList(
        live,
        "questions",
        (message) => {
          if (message.type === "question") takeQuestion(queryClient, message.question);
        },
        () => readAgain(questionKeys.all),
      ),
      watchList(
        live,
        "sessions",
        (message) => {
          if (message.type === "session") changed.add(message.session);
        },
        () => readAgain(["sessions"], doubtsKey),
      ),
    ];
    const stopWatching = live.onState(() => followState(app));
    const retry = (): void => live.retryNow();
    window.addEventListener("online", retry);
    document.addEventListener("visibilitychange", retry);
    live.start();
    return () => {
      window.removeEventListener("online", retry);
      document.removeEventListener("visibilitychange", retry);
      stopWatching();
      changed.stop();
      for (const end of watched) end();
      live.stop();
    };
  }, [app]);
}

/** Watches a list over every reconnect; returns how to stop. Each time it is subscribed to, it has to be read again. */
function watchList(
  live: LiveConnection,
  kind: Exclude<Topic["kind"], "session">,
  told: (message: TopicMessage) => void,
  readAgain: () => void,
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const subscription: Subscription = live.subscribe(
    () => ({ kind }),
    (message) => {
      told(message);
      // Not at once: the server has just said that it is too much.
      if (message.type === "resync" && message.reason !== "forbidden") {
        clearTimeout(timer);
        timer = setTimeout(() => subscription.renew(), RENEW_MS);
      }
    },
    readAgain,
  );
  return () => {
    clearTimeout(timer);
    subscription.end();
  };
}

function followState({ live, queryClient }: App): void {
  // What could not be read while the server was away is read now.
  if (live.state.phase === "open") {
    void queryClient.refetchQueries({ predicate: (query) => query.state.status === "error" });
  }
  // A socket does not say why it was refused; asking who is signed in does.
  const refused = live.state.phase === "refused" || (live.state.phase === "waiting" && live.state.attempt > 1);
  if (refused) void queryClient.refetchQueries({ queryKey: ["me"] });
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
