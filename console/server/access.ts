import type { FastifyInstance } from "fastify";
import { ForbiddenError } from "../../runtime/core/errors.ts";
import { ROLES, type Principal, type Role } from "../../runtime/core/people.ts";
import type { ClientMessage } from "../../runtime/core/protocol.ts";
import { RouteUndeclaredError } from "./errors.ts";

/** Who may use a route or a socket message. */
export type Need =
  | "anyone"
  | "signed_in"
  /** One of these roles; with `person`, a service account is refused even if it has one. */
  | { readonly roles: readonly Role[]; readonly person?: true };

/** Every role can read. */
const READ: Need = { roles: ROLES };
const VERIFY: Need = { roles: ["operator", "auditor"] };
const START: Need = { roles: ["operator"] };
/** Decisions and answers are asked of people: a service account never gives one. */
const DECIDE: Need = { roles: ["operator"], person: true };

/**
 * Who may use which HTTP route: the one place where that is said. A route that is missing here, or an
 * entry here without a route, stops the server from starting.
 */
export const ROUTE_NEEDS: Readonly<Record<string, Need>> = {
  "POST /api/sign-in": "anyone",
  "POST /api/sign-out": "signed_in",
  "GET /api/me": "signed_in",
  "GET /api/sessions": READ,
  "GET /api/sessions/:id": READ,
  "GET /api/sessions/:id/state": READ,
  "GET /api/sessions/:id/verify": VERIFY,
  "GET /api/approvals": READ,
  "GET /api/approvals/:id": READ,
  "POST /api/approvals/:id/decide": DECIDE,
  "GET /api/doubts": READ,
  "POST /api/doubts/resolve": DECIDE,
  "GET /api/questions": READ,
  "GET /api/questions/:id": READ,
  "POST /api/questions/:id/answer": DECIDE,
  "POST /api/runs": START,
  "GET /api/runs": READ,
  "GET /api/runs/:id": READ,
  "POST /api/runs/:id/cancel": START,
  "POST /api/runs/:id/release": START,
  "POST /api/runs/:id/restart": START,
  "GET /api/queues": READ,
  "GET /api/topics": READ,
  "POST /api/topics/:topic": START,
  "GET /api/dead-letters": READ,
  "GET /api/dead-letters/:id": READ,
  "POST /api/dead-letters/:id/redrive": START,
  "POST /api/dead-letters/:id/drop": START,
  "GET /api/quarantined-messages": READ,
  "POST /api/quarantined-messages/:id/dismiss": START,
  "POST /api/listeners/:agent/forget": START,
  "GET /api/agents": READ,
  "GET /api/health": READ,
  // The pages themselves: they hold nothing that is secret, and the sign-in page is one of them.
  "GET /*": "anyone",
};

/** What opening the live socket needs, before the upgrade. */
export const SOCKET_NEED: Need = "signed_in";

type Subscribe = Extract<ClientMessage, { type: "subscribe" }>;
type SocketMessageKey = Exclude<ClientMessage["type"], "subscribe"> | `subscribe ${Subscribe["topic"]["kind"]}`;

/** Who may send which socket message. The compiler insists on every message and every topic. */
export const SOCKET_NEEDS: Readonly<Record<SocketMessageKey, Need>> = {
  hello: "signed_in",
  pong: "signed_in",
  unsubscribe: "signed_in",
  "subscribe session": READ,
  "subscribe sessions": READ,
  "subscribe approvals": READ,
  "subscribe questions": READ,
};

export function socketMessageKey(message: ClientMessage): SocketMessageKey {
  return message.type === "subscribe" ? `subscribe ${message.topic.kind}` : message.type;
}

/** @throws ForbiddenError if a signed-in user lacks what is needed. */
export function assertMay(principal: Principal, need: Need, what: string): void {
  if (need === "anyone" || need === "signed_in") return;
  if (!need.roles.some((role) => principal.roles.includes(role))) {
    throw new ForbiddenError(
      `"${principal.name}" may not use ${what}: it needs the role ${need.roles.join(" or ")}. An administrator can give it.`,
      { details: { needs: [...need.roles] } },
    );
  }
  if (need.person && principal.kind !== "person") {
    throw new ForbiddenError(
      `"${principal.name}" may not use ${what}: it is a service account, and only people decide. Sign in as a person.`,
    );
  }
}

/**
 * Watches the registration of routes.
 *
 * @returns a function that finds out whether every declared route was registered; call it when all are
 * @throws RouteUndeclaredError when a route is registered that nothing declares
 */
export function guardRoutes(app: FastifyInstance, needs: Readonly<Record<string, Need>> = ROUTE_NEEDS): () => void {
  const registered = new Set<string>();
  app.addHook("onRoute", ({ method, url }) => {
    for (const one of [method].flat()) {
      const route = `${one} ${url}`;
      if (needs[route] === undefined) {
        throw new RouteUndeclaredError(
          `The route "${route}" does not say who may use it. Declare it in console/server/access.ts.`,
          { details: { route } },
        );
      }
      registered.add(route);
    }
  });
  return () => {
    const missing = Object.keys(needs).find((route) => !registered.has(route));
    if (missing === undefined) return;
    throw new RouteUndeclaredError(
      `console/server/access.ts declares "${missing}", but there is no such route. Remove the one or add the other.`,
      { details: { route: missing } },
    );
  };
}
