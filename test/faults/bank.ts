import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * Where a call of a tool stands: in the worker before it is sent ("before") and after its answer is there ("after"),
 * at the bank before it has taken effect ("arrived") and after it ("acted"); or the bank is asked what became of it
 * ("find").
 */
export type Point = "before" | "arrived" | "acted" | "after" | "find";

export interface BankCall {
  /** The business id: what must happen once. */
  readonly id: string;
  /** The idempotency key. */
  readonly key: string;
  readonly kind: string;
  /** The calling process. */
  readonly pid: number;
}

/** What becomes of a call at a point: it goes on, its process kills itself there, or its connection is dropped. */
export type Fate = "go" | "die" | "drop";

interface Trap {
  readonly point: Point;
  readonly matches: (call: BankCall) => boolean;
  readonly spring: (call: BankCall) => Promise<Fate> | Fate;
}

/**
 * The world outside: counts what happened by business id and by key. It never forgets a key of an idempotent call,
 * and acts on every other call that reaches it: what is sent twice happens twice.
 */
export class Bank {
  readonly url: string;
  readonly #server: Server;
  #traps: Trap[] = [];
  /** What happened, in order. */
  readonly acts: BankCall[] = [];
  /** Every call that was to happen, also the repeated ones. */
  readonly calls: BankCall[] = [];
  readonly #byKey = new Map<string, BankCall>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  }

  static async open(): Promise<Bank> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const bank = new Bank(server);
    server.on("request", (request, response) => {
      bank.#serve(request, response).catch(() => response.destroy());
    });
    return bank;
  }

  /** The next matching call at this point meets this fate. Resolves with the call once it is there. */
  once(
    point: Point,
    matches: (call: BankCall) => boolean,
    fate: (call: BankCall) => Promise<Fate> | Fate,
  ): Promise<BankCall> {
    return new Promise((resolve) => {
      const trap: Trap = {
        point,
        matches,
        spring: (call) => {
          this.#traps = this.#traps.filter((other) => other !== trap);
          resolve(call);
          return fate(call);
        },
      };
      this.#traps.push(trap);
    });
  }

  /**
   * All matching calls take a while between their arrival and their effect.
   *
   * @returns the most of them that were there at once so far.
   */
  crowd(matches: (call: BankCall) => boolean, takes: () => Promise<void>): () => number {
    let now = 0;
    let most = 0;
    this.#traps.push({
      point: "arrived",
      matches,
      spring: async () => {
        now++;
        most = Math.max(most, now);
        await takes();
        now--;
        return "go" as const;
      },
    });
    return () => most;
  }

  /** How often something happened for this business id. */
  count(id: string): number {
    return this.acts.filter((act) => act.id === id).length;
  }

  /** What happened under this key, if anything did. */
  find(key: string): BankCall | undefined {
    return this.#byKey.get(key);
  }

  /** Forgets all traps: what is held goes on by itself. */
  clear(): void {
    this.#traps = [];
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = JSON.parse(await textOf(request)) as BankCall;
    const path = request.url ?? "";
    if (path === "/before" || path === "/after") {
      const fate = await this.#fate(path.slice(1) as Point, call);
      answer(response, { fate });
      return;
    }
    if (path === "/find") {
      // What it says is what it knows when it is asked.
      const found = this.#byKey.get(call.key) !== undefined;
      await this.#fate("find", call);
      answer(response, { found });
      return;
    }
    if ((await this.#fate("arrived", call)) === "drop") {
      response.destroy();
      return;
    }
    this.calls.push(call);
    if (call.kind !== "read" && !(call.kind === "idempotent" && this.#byKey.has(call.key))) {
      this.acts.push(call);
      this.#byKey.set(call.key, call);
    }
    if ((await this.#fate("acted", call)) === "drop") {
      response.destroy();
      return;
    }
    answer(response, { key: call.key });
  }

  async #fate(point: Point, call: BankCall): Promise<Fate> {
    const trap = this.#traps.find((candidate) => candidate.point === point && candidate.matches(call));
    return (await trap?.spring(call)) ?? "go";
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function answer(response: ServerResponse, body: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(body));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
