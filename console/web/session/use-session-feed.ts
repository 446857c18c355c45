import { useEffect, useState, useSyncExternalStore } from "react";
import type { SessionView } from "../../../runtime/core/protocol.ts";
import { isStatus } from "../client/errors.ts";
import { queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import type { Subscription } from "../live/connection.ts";
import { feedCursor, type SessionFeed } from "../live/session-feed.ts";
import { SessionStore } from "./session-store.ts";

const RELOAD_AGAIN_MS = 3000;

/** The feed of a session that has been read, and from then on of what is new. */
export function useSessionFeed(view: SessionView): { readonly feed: SessionFeed; readonly store: SessionStore } {
  const { api, live, queryClient } = useApp();
  const [store] = useState(() => new SessionStore(view));
  const session = view.session.session;
  useEffect(() => {
    const reading = new AbortController();
    let again: ReturnType<typeof setTimeout> | undefined;
    const reload = (): void => {
      api.session(session, reading.signal).then(
        (fresh) => {
          store.reset(fresh);
          subscription.renew();
        },
        (error: unknown) => {
          if (reading.signal.aborted) return;
          // The page says so itself when it may no longer be seen, or is gone.
          if (isStatus(error, 403) || isStatus(error, 404)) {
            void queryClient.resetQueries({ queryKey: queries.session(api, session).queryKey, exact: true });
          }
          // What is shown stays; without this the page would be quiet for ever after one failed read.
          else again = setTimeout(reload, RELOAD_AGAIN_MS);
        },
      );
    };
    const subscription: Subscription = live.subscribe(
      () => ({ kind: "session", session, have: feedCursor(store.feed()) }),
      (message) => {
        if (message.type === "resync") reload();
        if (message.type === "tokens") store.hear(message);
        if (message.type !== "events") return;
        const need = store.receive(message);
        if (need === "ask_again") subscription.renew();
        if (need === "reload") reload();
      },
    );
    return () => {
      clearTimeout(again);
      reading.abort();
      subscription.end();
    };
  }, [api, live, queryClient, session, store]);
  return { feed: useSyncExternalStore(store.onChange, store.feed), store };
}
