import { once } from "node:events";
import net from "node:net";

/** Traffic of one connection that was stopped at a named point. */
export interface Held {
  /** Lets it go on. */
  forward(): void;
  /** Ends the connection on both sides; what was held is never delivered. */
  cut(): void;
}

interface Rule {
  readonly needles: readonly string[];
  readonly side: "before" | "after";
  readonly hit: (held: Held) => void;
}

/**
 * Stands between one worker and Postgres and reads along. "before": what the worker sent is held before Postgres has
 * it. "after": Postgres has committed it, and its reply is held before the worker has it.
 */
export class PostgresProxy {
  readonly url: string;
  readonly #server: net.Server;
  readonly #connections = new Set<Connection>();
  #rules: Rule[] = [];
  #refusing = false;

  private constructor(databaseUrl: string, server: net.Server) {
    const url = new URL(databaseUrl);
    url.hostname = "127.0.0.1";
    url.port = String((server.address() as net.AddressInfo).port);
    this.url = url.href;
    this.#server = server;
  }

  static async open(databaseUrl: string): Promise<PostgresProxy> {
    const target = new URL(databaseUrl);
    const server = net.createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new PostgresProxy(databaseUrl, server);
    server.on("connection", (client) => {
      if (proxy.#refusing) {
        client.resetAndDestroy();
        return;
      }
      const connection = new Connection(client, net.connect(Number(target.port), target.hostname), proxy);
      proxy.#connections.add(connection);
      client.on("close", () => proxy.#connections.delete(connection));
    });
    return proxy;
  }

  /**
   * The next traffic that holds all these words is stopped; `hit` is called in the same turn of the event loop, before
   * anything of it goes on.
   */
  once(side: "before" | "after", needles: readonly string[], hit?: (held: Held) => void): Promise<Held> {
    return new Promise((resolve) => {
      const rule: Rule = {
        needles,
        side,
        hit: (held) => {
          this.#rules = this.#rules.filter((other) => other !== rule);
          hit?.(held);
          resolve(held);
        },
      };
      this.#rules.push(rule);
    });
  }

  ruleFor(text: string): Rule | undefined {
    return this.#rules.find((rule) => rule.needles.every((needle) => text.includes(needle)));
  }

  /** Cuts all connections, and refuses new ones for as long as it is told to. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing;
    if (refusing) for (const connection of this.#connections) connection.cut();
  }

  clear(): void {
    this.#rules = [];
  }

  close(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.cut();
  }
}

class Connection {
  readonly #client: net.Socket;
  readonly #server: net.Socket;
  readonly #proxy: PostgresProxy;
  /** The end of what was sent before: a statement may come in pieces. */
  #tail = "";
  /** Set while what the client sends is kept. */
  #fromClient: Buffer[] | null = null;
  #fromServer: Buffer[] | null = null;
  /** A statement was seen, and its commit's reply is to be held. */
  #awaiting: Rule | null = null;
  /** What has been read of the server's messages: bytes still to skip, and a header that came in pieces. */
  #skip = 0;
  #header: number[] = [];

  constructor(client: net.Socket, server: net.Socket, proxy: PostgresProxy) {
    this.#client = client;
    this.#server = server;
    this.#proxy = proxy;
    for (const socket of [client, server]) socket.setNoDelay(true).on("error", () => undefined);
    client.on("data", (chunk: Buffer) => {
      this.#heardClient(chunk);
    });
    server.on("data", (chunk: Buffer) => {
      this.#heardServer(chunk);
    });
    server.on("close", () => client.destroy());
    client.on("close", () => server.destroy());
  }

  cut(): void {
    this.#client.resetAndDestroy();
    this.#server.destroy();
  }

  #heardClient(chunk: Buffer): void {
    if (this.#fromClient) {
      this.#fromClient.push(chunk);
      return;
    }
    const text = this.#tail + chunk.toString("latin1");
    const rule = this.#proxy.ruleFor(text);
    this.#tail = rule ? "" : text.slice(-4_000);
    if (rule?.side === "before") {
      this.#fromClient = [chunk];
      rule.hit({
        forward: () => {
          const kept = this.#fromClient ?? [];
          this.#fromClient = null;
          for (const part of kept) this.#server.write(part);
        },
        cut: () => {
          this.cut();
        },
      });
      return;
    }
    if (rule) this.#awaiting = rule;
    this.#server.write(chunk);
  }

  #heardServer(chunk: Buffer): void {
    if (this.#fromServer) {
      this.#fromServer.push(chunk);
      return;
    }
    const rule = this.#idleIn(chunk) ? this.#awaiting : null;
    if (!rule) {
      this.#client.write(chunk);
      return;
    }
    this.#awaiting = null;
    this.#fromServer = [chunk];
    rule.hit({
      forward: () => {
        const kept = this.#fromServer ?? [];
        this.#fromServer = null;
        for (const part of kept) this.#client.write(part);
      },
      cut: () => {
        this.cut();
      },
    });
  }

  /**
   * Whether the server says in this chunk that it is ready and in no transaction ("Z", "I"): what was sent is
   * committed. Source of the format: PostgreSQL, "Message Formats".
   */
  #idleIn(chunk: Buffer): boolean {
    let idle = false;
    for (let at = 0; at < chunk.length;) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      this.#header.push(chunk[at] ?? 0);
      at++;
      const ready = this.#header[0] === 0x5a;
      // Type, four bytes of length, and for "Z" the one byte that says it.
      if (this.#header.length < (ready ? 6 : 5)) continue;
      if (ready) {
        idle ||= this.#header[5] === 0x49;
        // The statement is over: what comes next has nothing to do with it.
        this.#tail = "";
      } else this.#skip = Buffer.from(this.#header).readUInt32BE(1) - 4;
      this.#header = [];
    }
    return idle;
  }
}
