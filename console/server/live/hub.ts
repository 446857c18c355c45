import type { IncomingMessage } from "node:http";
import type { RawData, WebSocket } from "ws";
import type { Logger } from "pino";
import type { LiveNotice, TokenFrame } from "../../../runtime/core/bus.ts";
import type { Clock } from "../../../runtime/core/clock.ts";
import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import { ForbiddenError } from "../../../runtime/core/errors.ts";
import type { Authenticator, Credential, Identity } from "../../../runtime/core/people.ts";
import { clientMessage, PROTOCOL_VERSION, type ClientMessage } from "../../../runtime/core/protocol.ts";
import { assertMay, SOCKET_NEEDS, socketMessageKey } from "../access.ts";
import { LiveConnection, type CloseReason } from "./connection.ts";
import { approvalsSource, questionsSource } from "./inbox-source.ts";
import { ListFeed } from "./list-feed.ts";
import { SessionFeed } from "./session-feed.ts";
import { sessionsSource } from "./sessions-source.ts";
import type { Feed, Subscriber } from "./subscriber.ts";

/** Times in milliseconds. */
export interface LiveSettings {
  /** How often lost notices are made up for, and credentials are checked again. Default 2 s. */
  readonly pollMs: number;
  /** How often a client is pinged; one that was silent for a whole round is cut off. Default 15 s. */
  readonly heartbeatMs: number;
  /** Changes of lists are sent no more often than this. Default 100 ms. */
  readonly listGapMs: number;
  /** See `ConnectionLimits`. Defaults 4 MiB and 15 s. */
  readonly behindBytes: number;
  readonly tooSlowMs: number;
  /** At most so many events are read and sent at a time. Default 1000. */
  readonly pageEvents: number;
}

export const DEFAULT_LIVE_SETTINGS: LiveSettings = {
  pollMs: 2000,
  heartbeatMs: 15_000,
  listGapMs: 100,
  behindBytes: 4 * 1024 * 1024,
  tooSlowMs: 15_000,
  pageEvents: 1000,
};

const MAX_SUBSCRIPTIONS = 20;

export interface LiveHubOptions {
  readonly services: ConsoleServices;
  readonly people: Authenticator;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: LiveSettings;
}

interface Subscription extends Subscriber {
  readonly feed: Feed;
  readonly topic: Subscribe["topic"];
}

type Subscribe = Extract<ClientMessage, { type: "subscribe" }>;

interface Client {
  readonly connection: LiveConnection;
  readonly subscriptions: Map<string, Subscription>;
  welcomed: boolean;
  /** Something was heard since the last ping. */
  heard: boolean;
}

/** All live sockets of this server: who is there, what they watch, and what they are sent. */
export class LiveHub {
  readonly #options: LiveHubOptions;
  readonly #clients = new Set<Client>();
  readonly #sessionFeeds = new Map<string, SessionFeed>();
  readonly #lists: Readonly<Record<Exclude<Subscribe["topic"]["kind"], "session">, ListFeed>>;
  readonly #timers: readonly NodeJS.Timeout[];
  #rechecking = false;
  #closed = false;

  constructor(options: LiveHubOptions) {
    this.#options = options;
    const { services, log, settings } = options;
    const list = { log, gapMs: settings.listGapMs };
    this.#lists = {
      sessions: new ListFeed(sessionsSource(services), list),
      approvals: new ListFeed(approvalsSource(services), list),
      questions: new ListFeed(questionsSource(services), list),
    };
    this.#timers = [
      setInterval(() => {
        this.#poll();
      }, settings.pollMs).unref(),
      setInterval(() => {
        this.#heartbeat();
      }, settings.heartbeatMs).unref(),
    ];
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Takes over an upgraded socket of somebody who has been authenticated. */
  accept(socket: WebSocket, request: IncomingMessage, identity: Identity): void {
    const connection = new LiveConnection(socket, identity, identity.credential, this.#options.settings);
    const client: Client = { connection, subscriptions: new Map(), welcomed: false, heard: true };
    this.#clients.add(client);
    socket.on("message", (data, isBinary) => {
      client.heard = true;
      const reason = this.#handle(client, isBinary ? undefined : textOf(data));
      if (reason) this.#close(client, reason);
    });
    // Frames that are too large or not well-formed: ws has closed the socket already.
    socket.on("error", (error) => {
      this.#options.log.info({ err: error, address: request.socket.remoteAddress }, "live socket failed");
    });
    socket.once("close", () => {
      this.#forget(client);
    });
  }

  /** A hint that a session's runs reach further now. */
  notice(notice: LiveNotice): void {
    if (this.#closed) return;
    this.#sessionFeeds.get(notice.session)?.notice(notice.heads);
    this.#lists.sessions.notice(notice.session);
    // Approvals and questions come and go with events.
    this.inboxMoved();
  }

  /** What a model is saying: passed on to whoever watches its session, and kept for nobody. */
  tokens(frame: TokenFrame): void {
    if (!this.#closed) this.#sessionFeeds.get(frame.session)?.tokens(frame);
  }

  /** Somebody decided or answered something here: inboxes look at once. */
  inboxMoved(): void {
    this.#lists.approvals.poll();
    this.#lists.questions.poll();
  }

  /** Closes the sockets of a sign-in or token that does not count any more. */
  signedOut(credential: Credential): void {
    for (const client of [...this.#clients]) {
      if (client.connection.credential.id === credential.id) this.#close(client, "signed_out");
    }
  }

  /** Says goodbye to everybody; resolves when all sockets are closed, within about a second. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const list of Object.values(this.#lists)) list.close();
    const gone = [...this.#clients].map(({ connection }) => connection.whenClosed());
    for (const client of [...this.#clients]) this.#close(client, "shutting_down");
    await Promise.all(gone);
  }

  /** @returns why the socket has to be closed, if it has to */
  #handle(client: Client, text: string | undefined): CloseReason | undefined {
    const message = readMessage(text);
    if (!message) return "bad_message";
    if (message.type === "hello") return this.#hello(client, message.protocol);
    if (!client.welcomed) return "bad_message";
    switch (message.type) {
      case "pong":
        return undefined;
      case "unsubscribe":
        this.#end(client, message.id);
        return undefined;
      case "subscribe":
        return this.#subscribe(client, message);
    }
  }

  #hello(client: Client, protocol: number): CloseReason | undefined {
    if (client.welcomed) return "bad_message";
    if (protocol !== PROTOCOL_VERSION) return "protocol_mismatch";
    client.welcomed = true;
    client.connection.send({ type: "welcome", protocol: PROTOCOL_VERSION, serverTime: this.#options.clock.now() });
    return undefined;
  }

  #subscribe(client: Client, { id, topic }: Subscribe): CloseReason | undefined {
    const { connection, subscriptions } = client;
    if (subscriptions.has(id) || subscriptions.size >= MAX_SUBSCRIPTIONS) return "bad_message";
    if (!this.#may(client, topic)) {
      connection.send({ type: "resync", id, reason: "forbidden" });
      return undefined;
    }
    const feed = this.#feedOf(topic);
    const subscription: Subscription = {
      id,
      connection,
      feed,
      topic,
      drop: (reason) => {
        this.#end(client, id);
        connection.send({ type: "resync", id, reason });
      },
    };
    subscriptions.set(id, subscription);
    if (feed instanceof SessionFeed) feed.add(subscription, topic.kind === "session" ? topic.have : {});
    else feed.add(subscription);
    return undefined;
  }

  #feedOf(topic: Subscribe["topic"]): SessionFeed | ListFeed {
    if (topic.kind !== "session") return this.#lists[topic.kind];
    const { services, log, settings } = this.#options;
    const { session } = topic;
    let feed = this.#sessionFeeds.get(session);
    if (!feed) {
      feed = new SessionFeed({ session, services, log, pageEvents: settings.pageEvents });
      this.#sessionFeeds.set(session, feed);
    }
    return feed;
  }

  #may(client: Client, topic: Subscribe["topic"]): boolean {
    const key = socketMessageKey({ type: "subscribe", id: "", topic });
    try {
      assertMay(client.connection.principal, SOCKET_NEEDS[key], key);
      return true;
    } catch (error) {
      if (error instanceof ForbiddenError) return false;
      throw error;
    }
  }

  #end(client: Client, id: string): void {
    const subscription = client.subscriptions.get(id);
    if (!subscription) return;
    client.subscriptions.delete(id);
    subscription.feed.remove(subscription);
    const { topic } = subscription;
    if (topic.kind === "session" && subscription.feed.empty) this.#sessionFeeds.delete(topic.session);
  }

  #close(client: Client, reason: CloseReason): void {
    const { connection } = client;
    this.#options.log.info({ reason, user: connection.principal.name }, "live socket closed by the server");
    connection.close(reason);
    this.#forget(client);
  }

  #forget(client: Client): void {
    if (!this.#clients.delete(client)) return;
    for (const id of [...client.subscriptions.keys()]) this.#end(client, id);
  }

  #poll(): void {
    for (const feed of this.#sessionFeeds.values()) feed.poll();
    for (const list of Object.values(this.#lists)) list.poll();
    void this.#recheck();
  }

  #heartbeat(): void {
    for (const client of [...this.#clients]) {
      const { connection } = client;
      if (connection.behind) {
        // A ping would only queue up behind what it has not read yet, so its silence says nothing.
        if (connection.isTooSlow()) this.#close(client, "too_slow");
      } else if (!client.heard || !client.welcomed) {
        // Silent for a whole round: the peer or the network is gone, so there is nobody to say it to.
        this.#forget(client);
        connection.terminate();
      } else {
        client.heard = false;
        connection.send({ type: "ping" });
      }
    }
  }

  /** Sign-ins end, tokens are revoked and roles are taken away in other processes too. */
  async #recheck(): Promise<void> {
    if (this.#rechecking || this.#clients.size === 0) return;
    this.#rechecking = true;
    const checked = [...this.#clients];
    try {
      const unique = new Map(checked.map(({ connection: { credential } }) => [credential.id, credential]));
      const valid = await this.#options.people.recheck([...unique.values()]);
      for (const client of checked) {
        const principal = valid.get(client.connection.credential.id);
        if (!principal) {
          this.#close(client, "signed_out");
          continue;
        }
        client.connection.principal = principal;
        for (const subscription of [...client.subscriptions.values()]) {
          if (!this.#may(client, subscription.topic)) subscription.drop("forbidden");
        }
      }
    } catch (error) {
      this.#options.log.warn({ err: error }, "the credentials of live sockets could not be checked again");
    } finally {
      this.#rechecking = false;
    }
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return data instanceof ArrayBuffer ? Buffer.from(data).toString("utf8") : data.toString("utf8");
}

function readMessage(text: string | undefined): ClientMessage | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return clientMessage.safeParse(value).data;
}
