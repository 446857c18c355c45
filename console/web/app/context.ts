import type { QueryClient } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import type { Api } from "../client/api.ts";
import type { LiveConnection } from "../live/connection.ts";

/** What every page is given. */
export interface App {
  readonly api: Api;
  readonly live: LiveConnection;
  readonly queryClient: QueryClient;
}

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (app === undefined) throw new Error("useApp is called outside of AppContext. Render below <AppContext>.");
  return app;
}
