import { once } from "node:events";
import net from "node:net";
import { deferred } from "../../runtime/core/deferred.ts";

/**
 * Stands between a client and Postgres, and stops one commit on its way: of a client that was cut off in the very
 * moment, or that froze.
 */
export class HeldCommitProxy implements AsyncDisposable {
  readonly url: string;
  readonly #server: net.Server;
  readonly #held = deferred<undefined>();
  #hold: "cut" | "freeze" | null = null;
  #commit: { readonly server: net.Socket; readonly chunk: Buffer } | null = null;
  readonly #awaited: { readonly text: string; readonly seen: () => void }[] = [];
  readonly #sockets = new Set<net.Socket>();

  private constructor(url: string, server: net.Server) {
    this.url = url;
    this.#server = server;
  }

  static async start(databaseUrl: string): Promise<HeldCommitProxy> {
    const target = new URL(databaseUrl);
    const server = net.createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = new URL(databaseUrl);
    url.hostname = "127.0.0.1";
    url.port = String((server.address() as net.AddressInfo).port);
    const proxy = new HeldCommitProxy(url.href, server);
    server.on("connection", (client) => {
      proxy.#connect(client, net.connect(Number(target.port), target.hostname));
    });
    return proxy;
  }

  /** The next commit is held back. "cut": and its client is cut off; "freeze": nothing else passes either. */
  holdNextCommit(how: "cut" | "freeze"): void {
    this.#hold = how;
  }

  /** Resolves once a commit is held. */
  get held(): Promise<undefined> {
    return this.#held.promise;
  }

  /** Resolves once a client has sent this text from now on, and it was handed on. */
  passes(text: string): Promise<void> {
    return new Promise((seen) => this.#awaited.push({ text, seen }));
  }

  /** Hands the held commit to the server; resolves with the server's answer. */
  async deliver(): Promise<void> {
    if (!this.#commit) throw new Error("No commit is held.");
    const { server, chunk } = this.#commit;
    const answered = once(server, "data");
    server.write(chunk);
    await answered;
    server.destroy();
  }

  #connect(client: net.Socket, server: net.Socket): void {
    let frozen = false;
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      // Each end sees the other's end as its own.
      socket.on("error", () => undefined);
    }
    client.on("data", (chunk) => {
      if (frozen) return;
      if (this.#hold !== null && chunk.includes("commit")) {
        frozen = true;
        this.#commit = { server, chunk };
        if (this.#hold === "cut") client.destroy();
        this.#hold = null;
        this.#held.resolve(undefined);
        return;
      }
      server.write(chunk);
      for (const { text, seen } of this.#awaited) if (chunk.includes(text)) seen();
    });
    server.on("data", (chunk) => client.write(chunk));
    server.on("close", () => client.destroy());
    client.on("close", () => {
      if (!frozen) server.destroy();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
