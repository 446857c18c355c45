import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";

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

/** What is said to the bank: one line of JSON over one connection, answered by another. */
export interface BankRequest {
  readonly what: "before" | "act" | "after" | "find";
  readonly call: BankCall;
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
  readonly port: number;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  #traps: Trap[] = [];
  /** What happened, in order. */
  readonly acts: BankCall[] = [];
  readonly #byKey = new Map<string, BankCall>();
  /** How often something happened, by business id. */
  readonly #counts = new Map<string, number>();
  /** Under which keys something was to happen, by business id. */
  readonly #keys = new Map<string, Set<string>>();

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async open(): Promise<Bank> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const bank = new Bank(server);
    server.on("connection", (socket) => {
      bank.#connections.add(socket);
      socket.on("error", () => undefined).on("close", () => bank.#connections.delete(socket));
      const lines = createInterface({ input: socket }).on("error", () => undefined);
      lines.once("line", (line) => {
        bank.#serve(JSON.parse(line) as BankRequest, socket).catch(() => socket.destroy());
      });
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

  /** Every matching call at this point meets the fate of the moment. */
  always(point: Point, matches: (call: BankCall) => boolean, fate: (call: BankCall) => Promise<Fate> | Fate): void {
    this.#traps.push({ point, matches, spring: fate });
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
    return this.#counts.get(id) ?? 0;
  }

  /** The keys of the calls that were to make this happen, also of the repeated ones. */
  keysOf(id: string): ReadonlySet<string> {
    return this.#keys.get(id) ?? new Set();
  }

  /** What happened under this key, if anything did. */
  find(key: string): BankCall | undefined {
    return this.#byKey.get(key);
  }

  /** Forgets all traps: what is held goes on by itself. */
  clear(): void {
    this.#traps = [];
  }

  async #serve({ what, call }: BankRequest, socket: Socket): Promise<void> {
    const answer = (body: unknown): void => {
      socket.end(`${JSON.stringify(body)}\n`);
    };
    if (what === "before" || what === "after") {
      answer({ fate: await this.#fate(what, call) });
      return;
    }
    if (what === "find") {
      // What it says is what it knows when it is asked.
      const found = this.#byKey.get(call.key) !== undefined;
      await this.#fate("find", call);
      answer({ found });
      return;
    }
    if ((await this.#fate("arrived", call)) === "drop") {
      socket.destroy();
      return;
    }
    this.#keys.set(call.id, (this.#keys.get(call.id) ?? new Set()).add(call.key));
    if (call.kind !== "read" && !(call.kind === "idempotent" && this.#byKey.has(call.key))) {
      this.acts.push(call);
      this.#counts.set(call.id, this.count(call.id) + 1);
      this.#byKey.set(call.key, call);
    }
    if ((await this.#fate("acted", call)) === "drop") {
      socket.destroy();
      return;
    }
    answer({ key: call.key });
  }

  async #fate(point: Point, call: BankCall): Promise<Fate> {
    const trap = this.#traps.find((candidate) => candidate.point === point && candidate.matches(call));
    return (await trap?.spring(call)) ?? "go";
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#connections) socket.destroy();
    await once(this.#server, "close");
  }
}

/**
 * Says something to the bank at this port, and gives its answer. Without HTTP, whose client takes longer to load than
 * all that a run does.
 *
 * @throws if the connection breaks before the answer, or the signal aborts.
 */
export async function askBank(port: number, request: BankRequest, signal: AbortSignal): Promise<unknown> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const abort = (): void => {
    socket.destroy(new Error("The call was aborted."));
  };
  signal.addEventListener("abort", abort);
  try {
    if (signal.aborted) abort();
    socket.write(`${JSON.stringify(request)}\n`);
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    if (!text.endsWith("\n")) throw new Error("The bank hung up.");
    return JSON.parse(text);
  } finally {
    signal.removeEventListener("abort", abort);
    socket.destroy();
  }
}
