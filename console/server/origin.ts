import type { IncomingHttpHeaders } from "node:http";
import { HostRefusedError, OriginRefusedError } from "./errors.ts";

/**
 * The values of the Host header that a console answers to. Any web page can make a browser send
 * requests to loopback, and by rebinding its own DNS name even read the answers; but it cannot make the
 * browser say another host than its own.
 *
 * @param extra hosts with their port where it is not the scheme's default, for example `signalbox.example.com`
 */
export function allowedHosts(boundHost: string, port: number, extra: readonly string[]): ReadonlySet<string> {
  const hosts = ["127.0.0.1", "localhost", "[::1]"];
  if (!isWildcard(boundHost)) hosts.push(boundHost.includes(":") ? `[${boundHost}]` : boundHost);
  // Browsers leave port 80 out.
  const own = hosts.flatMap((host) => (port === 80 ? [host, `${host}:80`] : [`${host}:${String(port)}`]));
  return new Set([...own, ...extra].map((host) => host.toLowerCase()));
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** @throws HostRefusedError */
export function assertHost(headers: IncomingHttpHeaders, allowed: ReadonlySet<string>): void {
  const host = headers.host?.toLowerCase();
  if (host !== undefined && allowed.has(host)) return;
  throw new HostRefusedError(
    "This console does not answer to the host name of this request. Open it at its own address, or add the name to the console's allowed hosts.",
  );
}

export interface OriginRules {
  /** For sockets opened with a cookie: browsers always send Origin with these, so it must be there. */
  readonly required: boolean;
}

/**
 * Refuses what pages of other origins send. The origin must be the one that the request itself was made
 * to; a request without Origin comes from no page, or is a plain navigation.
 *
 * @throws OriginRefusedError
 */
export function assertOrigin(headers: IncomingHttpHeaders, rules: OriginRules): void {
  const { origin } = headers;
  if (origin === undefined) {
    if (!rules.required) return;
    throw refuse("came without an Origin header");
  }
  const host = headers.host?.toLowerCase() ?? "";
  if (origin === `http://${host}` || origin === `https://${host}`) return;
  throw refuse("comes from a page of another origin");
}

/**
 * Refuses requests that the browser itself marks as caused by another site, even where it sends no
 * Origin header (images, scripts, simple GETs).
 *
 * @throws OriginRefusedError
 */
export function assertNotCrossSite(headers: IncomingHttpHeaders): void {
  const site = headers["sec-fetch-site"];
  if (site === undefined || site === "same-origin" || site === "none") return;
  throw refuse("comes from a page of another site");
}

function refuse(why: string): OriginRefusedError {
  return new OriginRefusedError(
    `This request ${why}, and the console answers only its own pages. Open the console itself.`,
  );
}
