import { timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Authenticator, Identity } from "../../runtime/core/people.ts";
import { assertMay, ROUTE_NEEDS } from "./access.ts";
import { presentedSecret } from "./credentials.ts";
import { CsrfRefusedError } from "./errors.ts";
import { assertHost, assertNotCrossSite, assertOrigin } from "./origin.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks. Null on routes that are open to anyone. */
    identity: Identity | null;
  }
}

/** Sent with every answer. Scripts and styles come from files of ours only; nobody may frame the console. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  // A sign-in link has its code in the address.
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
};

/**
 * Everything that a request has to pass before its body is read: host, origin, who it is, whether they
 * may, and the CSRF token.
 */
export function addSecurity(
  app: FastifyInstance,
  options: { readonly people: Authenticator; readonly hosts: () => ReadonlySet<string> },
): void {
  app.decorateRequest("identity", null);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    assertHost(request.headers, options.hosts());
    assertOrigin(request.headers, { required: false });
    if (!isApi(request)) return;
    reply.header("cache-control", "no-store");
    assertNotCrossSite(request.headers);
    if (request.is404) return;
    const route = `${request.method} ${request.routeOptions.url ?? ""}`;
    const need = ROUTE_NEEDS[route];
    // The wildcard route of the pages also catches unknown paths below /api, which its handler refuses.
    if (need === "anyone") return;
    const presented = presentedSecret(request.raw);
    const identity = await options.people.authenticate(presented);
    if (need === undefined) throw new Error(`The route "${route}" has no declaration.`);
    assertMay(identity, need, route);
    if (presented.kind === "cookie" && request.method !== "GET") assertCsrf(request, identity);
    request.identity = identity;
  });
}

/** The signed-in user of a route that needs one. */
export function identityOf(request: FastifyRequest): Identity {
  if (!request.identity) throw new Error(`${request.method} ${request.routeOptions.url ?? ""} let nobody in.`);
  return request.identity;
}

export function isApi(request: FastifyRequest): boolean {
  return request.url.startsWith("/api/");
}

/**
 * SameSite=Strict and the origin checks keep other sites out already; this also keeps out other ports
 * of the same host in browsers that send neither Origin nor Sec-Fetch-Site.
 */
function assertCsrf(request: FastifyRequest, identity: Identity): void {
  const sent = Buffer.from(String(request.headers["x-csrf-token"] ?? ""));
  const expected = Buffer.from(identity.csrfToken ?? "");
  if (expected.length > 0 && sent.length === expected.length && timingSafeEqual(sent, expected)) return;
  throw new CsrfRefusedError(
    "The request changes something, but its x-csrf-token header is missing or wrong. Reload the page; scripts use a token instead of a cookie.",
  );
}
