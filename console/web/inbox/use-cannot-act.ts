import { useQuery } from "@tanstack/react-query";
import { queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";

/**
 * Why whoever is signed in may not act on anything in the inbox; null if their role lets them. What
 * depends on the thing itself (its pool, who started it) the server says with the thing.
 */
export function useCannotAct(): string | null {
  const { api } = useApp();
  const { data: me } = useQuery(queries.me(api));
  if (me === undefined || (me.kind === "person" && me.roles.includes("operator"))) return null;
  if (me.kind !== "person") return `“${me.name}” is a service account, and this is for people.`;
  return "You can read this. To act on it needs the role operator, which an admin can give you.";
}
