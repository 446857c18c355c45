import { fastifyCookie } from "@fastify/cookie";
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyReply } from "fastify";
import type { Logger } from "pino";
import type { Bus } from "../../runtime/core/bus.ts";
import { systemClock, type Clock } from "../../runtime/core/clock.ts";
import type { ConsoleServices } from "../../runtime/core/console-services.ts";
import type { Authenticator } from "../../runtime/core/people.ts";
import { MAX_TOPIC_LENGTH } from "../../runtime/core/topics.ts";
import { guardRoutes } from "./access.ts";
import { answerError, errorBody } from "./answers.ts";
import { CannotListenError, InvalidRequestError, PortInUseError } from "./errors.ts";
import { DEFAULT_LIVE_SETTINGS, LiveHub, type LiveSettings } from "./live/hub.ts";
import { addLiveUpgrade } from "./live/upgrade.ts";
import { allowedHosts, isLoopback } from "./origin.ts";
import { addApprovalRoutes } from "./routes/approvals.ts";
import { addMessageRoutes } from "./routes/messages.ts";
import { addPages } from "./routes/pages.ts";
import { addPeopleRoutes } from "./routes/people.ts";
import { addQuestionRoutes } from "./routes/questions.ts";
import { addSessionRoutes } from "./routes/sessions.ts";
import { addSecurity, SECURITY_HEADERS } from "./security.ts";
import { DEFAULT_SIGN_IN_LIMITS, type SignInLimits } from "./sign-in-limit.ts";

/** Larger than any claim or decision; sign-ins have a smaller limit of their own. */
const BODY_BYTES = 1024 * 1024;

/** What must not be readable in a log, wherever it turns up. */
const REDACTED = [
  "password",
  "code",
  "secret",
  "token",
  "*.password",
  "*.secret",
  "*.token",
  "req.headers.authorization",
  "req.headers.cookie",
  "headers.authorization",
  "headers.cookie",
];

export interface ConsoleOptions {
  readonly people: Authenticator;
  readonly services: ConsoleServices;
  /** Without it the live socket works by polling. */
  readonly bus?: Pick<Bus, "onLive" | "onTokens">;
  /** The address to listen on. Anything but loopback is reachable by others. Default `127.0.0.1`. */
  readonly host?: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Further values of the Host header to answer to, for example the name that a TLS proxy has. */
  readonly allowedHosts?: readonly string[];
  /** The folder of the built pages. Without one there is only the HTTP API. */
  readonly webRoot?: string;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly live?: Partial<LiveSettings>;
  readonly signInLimits?: Partial<SignInLimits>;
}

/** A console that listens. Closing it ends every socket and lets requests under way finish. */
export interface ConsoleServer extends AsyncDisposable {
  /** For example `http://127.0.0.1:4400`. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts the console's server: the HTTP API, the pages, and the live socket.
 *
 * @throws PortInUseError, CannotListenError, and RouteUndeclaredError if a route does not say who may
 *   use it
 */
export async function createConsole(options: ConsoleOptions): Promise<ConsoleServer> {
  const host = options.host ?? "127.0.0.1";
  const { people, services } = options;
  const clock = options.clock ?? systemClock;
  const log = options.log.child({ part: "console" }, { redact: REDACTED });
  const settings = { ...DEFAULT_LIVE_SETTINGS, ...options.live };
  const hub = new LiveHub({ services, people, clock, log, settings });
  // Known once the port is; until then nothing is answered.
  let allowed: ReadonlySet<string> = new Set();
  const hosts = () => allowed;

  const app = newApp(log);
  const close = async () => {
    // Sockets first: the HTTP server's close waits for them.
    await hub.close();
    await app.close();
  };
  try {
    const assertAllRoutes = guardRoutes(app);
    addSecurity(app, { people, hosts });
    addPeopleRoutes(app, {
      people,
      clock,
      limits: { ...DEFAULT_SIGN_IN_LIMITS, ...options.signInLimits },
      onSignOut: (credential) => {
        hub.signedOut(credential);
      },
    });
    addSessionRoutes(app, services);
    addMessageRoutes(app, services);
    const inboxMoved = () => {
      hub.inboxMoved();
    };
    addApprovalRoutes(app, services, inboxMoved);
    addQuestionRoutes(app, services, inboxMoved);
    await addPages(app, options.webRoot);
    assertAllRoutes();
    addLiveUpgrade(app.server, { hub, people, hosts, log });
    await options.bus?.onLive((notice) => {
      hub.notice(notice);
    });
    await options.bus?.onTokens((frame) => {
      hub.tokens(frame);
    });
    const port = await listen(app, host, options.port);
    allowed = allowedHosts(host, port, options.allowedHosts ?? []);
    if (!isLoopback(host)) {
      log.warn({ host, port }, "the console is reachable from other machines, and speaks HTTP without TLS");
    }
    return { url: urlOf(host, port), close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function newApp(log: FastifyBaseLogger): FastifyInstance {
  const app = Fastify({
    loggerInstance: log,
    // Its own lines would hold the whole address, and with it the code of a sign-in link.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES,
    routerOptions: { maxParamLength: MAX_TOPIC_LENGTH },
    exposeHeadRoutes: false,
    requestTimeout: 30_000,
    // These two are answered before any hook runs.
    frameworkErrors: (_error, _request, reply) => {
      const error = new InvalidRequestError("The address of the request is not well-formed. Check it.");
      // The library types this reply by a route's schema, and here there is no route.
      void (reply as unknown as FastifyReply).code(400).headers(SECURITY_HEADERS).send(errorBody(error));
    },
    clientErrorHandler: (_error, socket) => {
      if (!socket.writable) return;
      const body = JSON.stringify(errorBody(new InvalidRequestError("The request is not well-formed HTTP.")));
      socket.end(
        `HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`,
      );
    },
  });
  // JSON only: a form of another site can send plain text without asking.
  app.removeContentTypeParser("text/plain");
  void app.register(fastifyCookie);
  app.setErrorHandler(answerError);
  app.addHook("onResponse", (request, reply, done) => {
    request.log.info(
      {
        method: request.method,
        path: request.url.split("?", 1)[0],
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        ...(request.identity ? { user: request.identity.name } : {}),
      },
      "request",
    );
    done();
  });
  return app;
}

/** @returns the port, which is another than the one asked for if that was 0 */
async function listen(app: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await app.listen({ host, port, listenTextResolver: () => "listening" });
  } catch (error) {
    const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EADDRINUSE") {
      throw new PortInUseError(
        `Port ${String(port)} on ${host} is in use, so the console cannot start. Stop the other program, or choose another port with --port.`,
        { details: { host, port }, cause: error },
      );
    }
    if (code === "EACCES" || code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
      throw new CannotListenError(
        `The console cannot listen on ${host}, port ${String(port)} (${code}). Choose an address of this machine with --host and a free port above 1023 with --port.`,
        { details: { host, port }, cause: error },
      );
    }
    throw error;
  }
  const address = app.server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

function urlOf(host: string, port: number): string {
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  return `http://${name}:${String(port)}`;
}
