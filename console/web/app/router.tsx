import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  redirect,
  type ErrorComponentProps,
} from "@tanstack/react-router";
import { isStatus } from "../client/errors.ts";
import { queries } from "../client/queries.ts";
import { InboxPage } from "../inbox/inbox-page.tsx";
import { SessionPage } from "../session/session-page.tsx";
import { SessionsPage } from "../sessions/sessions-page.tsx";
import { SignInPage } from "../sign-in/sign-in-page.tsx";
import { inboxSearch, sessionSearch, sessionsSearch, signInSearch } from "./search.ts";
import type { App } from "./context.ts";
import { NotFound, NotFoundPage } from "./not-found-page.tsx";
import { Shell } from "./shell.tsx";
import { StartError } from "./start-error.tsx";

const root = createRootRouteWithContext<App>()({ notFoundComponent: NotFoundPage });

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: signInSearch,
  component: SignInPage,
});

/** Everything that needs somebody to be signed in. */
const signedIn = createRoute({
  getParentRoute: () => root,
  id: "signed-in",
  beforeLoad: async ({ context: { api, queryClient }, location }) => {
    try {
      await queryClient.query({ ...queries.me(api), staleTime: "static" });
    } catch (error) {
      if (!isStatus(error, 401)) throw error;
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- how the router is told
      throw redirect({ to: "/sign-in", search: location.href === "/" ? {} : { next: location.href }, replace: true });
    }
  },
  component: Shell,
  errorComponent: ({ error, reset }: ErrorComponentProps) => <StartError error={error} reset={reset} />,
});

const start = createRoute({
  getParentRoute: () => signedIn,
  path: "/",
  beforeLoad: () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- how the router is told
    throw redirect({ to: "/sessions", replace: true });
  },
});

const sessions = createRoute({
  getParentRoute: () => signedIn,
  path: "/sessions",
  validateSearch: sessionsSearch,
  component: SessionsPage,
});

const session = createRoute({
  getParentRoute: () => signedIn,
  path: "/sessions/$session",
  validateSearch: sessionSearch,
  component: SessionPage,
});

const inbox = createRoute({
  getParentRoute: () => signedIn,
  path: "/inbox",
  validateSearch: inboxSearch,
  component: InboxPage,
});

/** The inbox under the name of what it holds most: an address that people guess, and that older links have. */
const approvals = createRoute({
  getParentRoute: () => signedIn,
  path: "/approvals",
  validateSearch: inboxSearch,
  beforeLoad: ({ search }) => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- how the router is told
    throw redirect({ to: "/inbox", search, replace: true });
  },
});

/** Any other address, within the frame of the pages, so that there is a way on. */
const elsewhere = createRoute({ getParentRoute: () => signedIn, path: "$", component: NotFound });

const routeTree = root.addChildren([
  signIn,
  signedIn.addChildren([start, sessions, session, inbox, approvals, elsewhere]),
]);

/** The console's pages by address. */
export function createAppRouter(app: App) {
  return createRouter({
    routeTree,
    context: app,
    scrollRestoration: true,
    defaultNotFoundComponent: NotFoundPage,
    // Plain text: the router's own reading takes a one-time code like 12e345 for a number.
    parseSearch: (query) => Object.fromEntries(new URLSearchParams(query)),
    stringifySearch,
  });
}

function stringifySearch(search: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) if (typeof value === "string") query.set(key, value);
  return query.size === 0 ? "" : `?${query.toString()}`;
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
