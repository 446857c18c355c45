import type { IncomingMessage } from "node:http";
import { fastifyCookie } from "@fastify/cookie";
import { NotSignedInError } from "../../runtime/core/errors.ts";
import type { PresentedSecret } from "../../runtime/core/people.ts";

/**
 * The cookie's name. Browsers share cookies between the ports of a host, so the port is part of it: two
 * consoles on one machine do not sign each other's people out.
 */
export function cookieName(request: IncomingMessage): string {
  return `signalbox_${String(request.socket.localPort ?? 0)}`;
}

/**
 * The secret that a request came with. An `Authorization` header counts before a cookie: who sends one
 * means it.
 *
 * @throws NotSignedInError if there is neither
 */
export function presentedSecret(request: IncomingMessage): PresentedSecret {
  const { authorization, cookie } = request.headers;
  if (authorization !== undefined) {
    const secret = /^Bearer ([\w.~+/=-]{1,500})$/i.exec(authorization)?.[1];
    if (secret === undefined) {
      throw new NotSignedInError('The Authorization header is not of the form "Bearer TOKEN". Send a token that way.');
    }
    return { kind: "bearer", secret };
  }
  const secret = cookie === undefined ? undefined : fastifyCookie.parse(cookie)[cookieName(request)];
  if (secret === undefined || secret === "") {
    throw new NotSignedInError("You are not signed in. Sign in, or send a token.");
  }
  return { kind: "cookie", secret };
}
