import { once } from "node:events";
import { WebSocket } from "ws";
import { PROTOCOL_VERSION, type ClientMessage, type ServerMessage } from "../../runtime/core/protocol.ts";

type Topic = Extract<ClientMessage, { type: "subscribe" }>["topic"];
type MessageOf<T extends ServerMessage["type"]> = Extract<ServerMessage, { type: T }>;

export interface LiveClientOptions {
  /** Default: the token as a bearer. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers pings. Default true. */
  readonly pong?: boolean;
}

/** A client of the live socket that keeps everything it is sent, and waits for what a test expects. */
export class LiveClient implements Disposable {
  readonly socket: WebSocket;
  readonly received: ServerMessage[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  #watchers: (() => void)[] = [];

  private constructor(socket: WebSocket, pong: boolean) {
    this.socket = socket;
    socket.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString("utf8")) as ServerMessage;
      if (message.type === "ping" && pong) this.send({ type: "pong" });
      this.received.push(message);
      for (const watcher of this.#watchers) watcher();
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", (code, reason) => {
        resolve({ code, reason: reason.toString("utf8") });
      });
    });
    socket.on("error", () => undefined);
  }

  /** Opens a socket and says hello. Rejects with the HTTP status if the upgrade is refused. */
  static async open(url: string, token: string, options: LiveClientOptions = {}): Promise<LiveClient> {
    const client = await LiveClient.connect(url, options.headers ?? { authorization: `Bearer ${token}` }, options.pong);
    client.send({ type: "hello", protocol: PROTOCOL_VERSION });
    await client.next("welcome");
    return client;
  }

  /** Opens a socket and says nothing. */
  static async connect(url: string, headers: Readonly<Record<string, string>>, pong = true): Promise<LiveClient> {
    const socket = new WebSocket(`${url.replace("http", "ws")}/api/live`, { headers });
    const client = new LiveClient(socket, pong);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
      socket.once("unexpected-response", (_request, response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
        response.on("end", () => {
          reject(new UpgradeRefused(response.statusCode ?? 0, body));
        });
      });
    });
    return client;
  }

  send(message: ClientMessage): void {
    this.socket.send(JSON.stringify(message));
  }

  subscribe(id: string, topic: Topic): void {
    this.send({ type: "subscribe", id, topic });
  }

  all<T extends ServerMessage["type"]>(type: T): MessageOf<T>[] {
    return this.received.filter((message): message is MessageOf<T> => message.type === type);
  }

  /** The first message of a type that fits, received already or still to come. */
  async next<T extends ServerMessage["type"]>(
    type: T,
    fits: (message: MessageOf<T>) => boolean = () => true,
  ): Promise<MessageOf<T>> {
    let found: MessageOf<T> | undefined;
    await this.until(() => (found = this.all(type).find(fits)) !== undefined);
    if (!found) throw new Error("unreachable");
    return found;
  }

  /** Resolves when the condition holds; it is looked at after each message. */
  async until(condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const watcher = () => {
        if (!condition()) return;
        this.#watchers = this.#watchers.filter((other) => other !== watcher);
        resolve();
      };
      this.#watchers.push(watcher);
      void this.closed.then(({ code, reason }) => {
        reject(new Error(`The socket closed with ${String(code)} ${reason} while the test waited.`));
      });
    });
  }

  /** The sequence numbers of a run's events in the order in which they came. */
  seqs(run: string, subscription?: string): number[] {
    return this.all("events")
      .filter((message) => subscription === undefined || message.id === subscription)
      .flatMap((message) => message.events)
      .filter((event) => event.run === run)
      .map((event) => event.seq);
  }

  /** Cuts the connection, as a lost network does. */
  async cut(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.socket, "close");
    this.socket.terminate();
    await closed;
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

/** The sequence numbers of a stretch of events, both ends included. */
export function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** The server answered the upgrade with plain HTTP. */
export class UpgradeRefused extends Error {
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`The upgrade was refused with ${String(status)}: ${body}`);
    this.status = status;
    this.body = body;
  }
}
