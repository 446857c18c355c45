import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import type { Me } from "../../runtime/core/protocol.ts";
import { Api } from "./client/api.ts";
import { isStatus, UnreachableError } from "./client/errors.ts";
import { AppContext, type App } from "./app/context.ts";
import { createAppRouter } from "./app/router.tsx";
import { LiveConnection, type Socket, type SocketEvents } from "./live/connection.ts";
import "./styles/index.css";

function createApp(): { app: App; router: ReturnType<typeof createAppRouter> } {
  const toSignIn = (error: unknown): void => {
    if (!isStatus(error, 401)) return;
    const { href, pathname } = router.latestLocation;
    if (pathname === "/sign-in") return;
    queryClient.clear();
    void router.navigate({ to: "/sign-in", search: { next: href }, replace: true });
  };
  const queryClient = new QueryClient({
    queryCache: new QueryCache({
      onError: (error, query) => {
        // Before anybody is known to be signed in, the router leads to the sign-in page itself.
        if (query.queryKey[0] !== "me" || query.state.data !== undefined) toSignIn(error);
      },
    }),
    mutationCache: new MutationCache({ onError: toSignIn }),
    defaultOptions: {
      queries: {
        // A server on this machine is reachable without a network.
        networkMode: "always",
        retry: (failures, error) => error instanceof UnreachableError && failures < 2,
        retryDelay: 400,
        // The socket says what has changed.
        refetchOnWindowFocus: false,
        refetchOnReconnect: false,
        staleTime: 10_000,
      },
      mutations: { networkMode: "always" },
    },
  });
  const api = new Api({
    csrfToken: () => queryClient.getQueryData<Me>(["me"])?.csrfToken,
    fetch: (...args) => window.fetch(...args),
  });
  const live = new LiveConnection({
    openSocket,
    now: () => Date.now(),
    random: () => Math.random(),
    after: (ms, then) => {
      const timer = setTimeout(then, ms);
      return () => clearTimeout(timer);
    },
  });
  const app: App = { api, live, queryClient };
  const router = createAppRouter(app);
  return { app, router };
}

function openSocket(events: SocketEvents): Socket {
  const socket = new WebSocket(`${window.location.origin.replace(/^http/, "ws")}/api/live`);
  socket.addEventListener("open", () => events.opened());
  socket.addEventListener("close", (event) => events.closed(event.reason));
  socket.addEventListener("message", (event: MessageEvent<unknown>) => {
    if (typeof event.data === "string") events.received(event.data);
  });
  return socket;
}

const { app, router } = createApp();
const element = document.getElementById("root");
if (element === null) throw new Error("The page has no element #root to draw into.");
createRoot(element).render(
  <StrictMode>
    <AppContext value={app}>
      <QueryClientProvider client={app.queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </AppContext>
  </StrictMode>,
);
