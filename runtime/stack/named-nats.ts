import { z } from "zod";
import type { NatsAccess } from "../core/stack.ts";
import {
  InvalidServerUrlError,
  JetStreamDisabledError,
  NatsRefusedError,
  NatsTooOldError,
  NatsUnreachableError,
} from "./errors.ts";
import { probe, type Turn } from "./probe.ts";
import { parseServerUrl, reasonOf } from "./server-url.ts";
import { findVersion, isAtLeast, OLDEST } from "./versions.ts";

/** What a NATS server says of itself. */
export interface NatsFacts {
  /** For people, without the password: `nats.example:4222`. */
  readonly where: string;
  readonly version: string;
  readonly access: NatsAccess;
}

const TIMEOUT_MS = 5_000;
const DEFAULT_PORT = 4222;

/** The part that we read of the `INFO` line, the first that a server sends (NATS client protocol). */
const infoSchema = z.object({
  version: z.string(),
  server_name: z.string().optional(),
  jetstream: z.boolean().optional(),
  tls_required: z.boolean().optional(),
});
export type NatsInfo = z.infer<typeof infoSchema>;

/**
 * Checks that named NATS servers can be used; `url` may list several with commas between, of which one
 * has to answer. `?inbox_prefix=NAME` says under which subjects the user may receive replies.
 *
 * @throws {@link InvalidServerUrlError}, {@link NatsUnreachableError}, {@link NatsRefusedError},
 *   {@link NatsTooOldError} or {@link JetStreamDisabledError}.
 */
export async function checkNats(url: string): Promise<NatsFacts> {
  const access = parseNatsUrl(url);
  const { info, refused, where } = await reachFirst(access);
  if (!isAtLeast(findVersion(info.version) ?? "0", OLDEST.nats)) {
    throw new NatsTooOldError(
      `The NATS server at ${where} is version ${info.version}; Signalbox needs ${OLDEST.nats} or newer. Upgrade it, or unset NATS_URL to have Signalbox start a private one.`,
      { details: { where, version: info.version } },
    );
  }
  if (info.jetstream !== true) {
    throw new JetStreamDisabledError(
      `The NATS server at ${where} runs without JetStream. Start it with the option -js (or a jetstream block in its configuration), or unset NATS_URL to have Signalbox start a private one.`,
      { details: { where, version: info.version } },
    );
  }
  if (refused !== undefined) {
    throw new NatsRefusedError(
      `The NATS server at ${where} does not let Signalbox in: ${refused}. Write the user and password into NATS_URL: nats://USER:PASSWORD@HOST:4222.`,
      { details: { where } },
    );
  }
  return { where, version: info.version, access };
}

function parseNatsUrl(url: string): NatsAccess {
  const servers: string[] = [];
  let user = "";
  let password = "";
  let inboxPrefix = "";
  for (const part of url.split(",").map((text) => text.trim())) {
    const parsed = parseServerUrl(part.includes("://") ? part : `nats://${part}`);
    if (!parsed || !/^(nats|tls):$/.test(parsed.protocol) || parsed.hostname === "") {
      // The text is not quoted: it may hold a password.
      throw new InvalidServerUrlError(
        "NATS_URL is not the URL of a NATS server. Write it as nats://HOST:4222 or nats://USER:PASSWORD@HOST:4222 (several with commas between), or unset it.",
      );
    }
    user ||= decodeURIComponent(parsed.username);
    password ||= decodeURIComponent(parsed.password);
    inboxPrefix ||= parsed.searchParams.get("inbox_prefix") ?? "";
    servers.push(`${parsed.protocol}//${parsed.hostname}:${parsed.port === "" ? String(DEFAULT_PORT) : parsed.port}`);
  }
  return {
    servers,
    ...(user === "" ? {} : { user }),
    ...(password === "" ? {} : { password }),
    ...(inboxPrefix === "" ? {} : { inboxPrefix }),
  };
}

interface Reached {
  readonly where: string;
  readonly info: NatsInfo;
  readonly refused: string | undefined;
}

async function reachFirst(access: NatsAccess): Promise<Reached> {
  let failure: NatsUnreachableError | undefined;
  for (const server of access.servers) {
    const { hostname, port, host: where } = new URL(server);
    try {
      return { where, ...(await greet(hostname.replace(/^\[|\]$/g, ""), Number(port), access)) };
    } catch (cause) {
      failure ??= new NatsUnreachableError(
        `No NATS server answers at ${where}: ${reasonOf(cause)}. Check that it runs and that NATS_URL names it, or unset NATS_URL to have Signalbox start a private one.`,
        { details: { where }, cause },
      );
    }
  }
  throw failure ?? new Error("a parsed NATS_URL names no server");
}

/** Reads a server's INFO line and, where it does not ask for TLS first, tries to sign in. */
export async function greet(
  host: string,
  port: number,
  access: Omit<NatsAccess, "servers">,
): Promise<Omit<Reached, "where">> {
  let info: NatsInfo | undefined;
  return probe<Omit<Reached, "where">>({
    host,
    port,
    timeoutMs: TIMEOUT_MS,
    hear(heard): Turn<Omit<Reached, "where">> {
      const text = heard.toString("utf8");
      if (!info) {
        const line = /^(.*)\r\n/.exec(text)?.[1];
        if (line === undefined) return undefined;
        info = parseInfo(line);
        if (info.tls_required) return { done: { info, refused: undefined } };
        const { user, password: pass } = access;
        return { say: `CONNECT ${JSON.stringify({ verbose: false, pedantic: false, user, pass })}\r\nPING\r\n` };
      }
      const refused = /^-ERR '?(.*?)'?\r\n/m.exec(text)?.[1];
      if (refused !== undefined) return { done: { info, refused } };
      return /^PONG\r\n/m.test(text) ? { done: { info, refused: undefined } } : undefined;
    },
  });
}

function parseInfo(line: string): NatsInfo {
  const json = /^INFO (\{.*\})\s*$/.exec(line)?.[1];
  try {
    if (json !== undefined) return infoSchema.parse(JSON.parse(json));
  } catch {
    // Said below, in words for people.
  }
  throw new Error("what answers there does not speak NATS's protocol");
}
