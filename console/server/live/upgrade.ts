import { STATUS_CODES, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import { WebSocketServer } from "ws";
import { NotFoundError } from "../../../runtime/core/errors.ts";
import type { Authenticator } from "../../../runtime/core/people.ts";
import { assertMay, SOCKET_NEED } from "../access.ts";
import { errorBody, statusOf, toSignalboxError } from "../answers.ts";
import { presentedSecret } from "../credentials.ts";
import { ShuttingDownError } from "../errors.ts";
import { assertHost, assertOrigin } from "../origin.ts";
import type { LiveHub } from "./hub.ts";

export const LIVE_PATH = "/api/live";

/** Clients only say what they want to see; the largest message names what it has of each run of a session. */
const MAX_MESSAGE_BYTES = 256 * 1024;

export interface UpgradeOptions {
  readonly hub: LiveHub;
  readonly people: Authenticator;
  readonly hosts: () => ReadonlySet<string>;
  readonly log: Logger;
}

/**
 * Lets requests for the live socket in. Everything is checked before the upgrade and refused with a
 * plain HTTP answer: nobody holds a socket here who has not been authenticated.
 */
export function addLiveUpgrade(server: Server, options: UpgradeOptions): void {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_MESSAGE_BYTES,
    // Compression costs memory for every socket, and mixes secrets with what others may choose.
    perMessageDeflate: false,
  });
  server.on("upgrade", (request, socket, head) => {
    const onError = () => socket.destroy();
    socket.on("error", onError);
    void admit(request, options).then(
      (identity) => {
        socket.off("error", onError);
        if (socket.destroyed) return;
        sockets.handleUpgrade(request, socket, head, (opened) => {
          options.hub.accept(opened, request, identity);
        });
      },
      (error: unknown) => {
        refuse(socket, error, options.log);
      },
    );
  });
}

async function admit(request: IncomingMessage, { hub, people, hosts }: UpgradeOptions) {
  assertHost(request.headers, hosts());
  if (request.url?.split("?", 1)[0] !== LIVE_PATH) {
    throw new NotFoundError(`There is no socket at this path. The live socket is ${LIVE_PATH}.`);
  }
  const presented = presentedSecret(request);
  // A page of another site could open a socket with this browser's cookie; a script with a token is no page.
  assertOrigin(request.headers, { required: presented.kind === "cookie" });
  const identity = await people.authenticate(presented);
  assertMay(identity, SOCKET_NEED, LIVE_PATH);
  if (hub.closed) throw new ShuttingDownError("The console is shutting down. Connect again in a moment.");
  return identity;
}

function refuse(socket: Duplex, thrown: unknown, log: Logger): void {
  const error = toSignalboxError(thrown, "live");
  const status = statusOf(error);
  if (status >= 500) log.error({ err: thrown, code: error.code }, "a live socket could not be opened");
  const body = JSON.stringify(errorBody(error));
  socket.end(
    [
      `HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ""}`,
      "connection: close",
      "content-type: application/json; charset=utf-8",
      "cache-control: no-store",
      `content-length: ${String(Buffer.byteLength(body))}`,
      "",
      body,
    ].join("\r\n"),
    () => socket.destroy(),
  );
}
