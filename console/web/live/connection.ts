import type { ClientMessage, ServerMessage } from "../../../runtime/core/protocol.ts";
import { nextTickAt, step, type ConnectionInput, type ConnectionState } from "./connection-state.ts";

/** The version that this build speaks; the server closes the socket if it speaks another. */
export const PROTOCOL: typeof import("../../../runtime/core/protocol.ts").PROTOCOL_VERSION = 1;

export type Topic = Extract<ClientMessage, { type: "subscribe" }>["topic"];

/** What a subscription is told. */
export type TopicMessage = Exclude<ServerMessage, { type: "welcome" } | { type: "ping" }>;

/** An open or opening socket. */
export interface Socket {
  send(text: string): void;
  close(): void;
}

/** What a socket tells the connection. */
export interface SocketEvents {
  opened(): void;
  received(text: string): void;
  closed(reason: string): void;
}

export interface ConnectionWorld {
  openSocket(events: SocketEvents): Socket;
  /** Milliseconds since the epoch. */
  now(): number;
  random(): number;
  /** Calls back after so many milliseconds; returns how to call it off. */
  after(ms: number, then: () => void): () => void;
}

export interface Subscription {
  /** Asks again, with what the page has by now. */
  renew(): void;
  end(): void;
}

interface Watcher {
  readonly topic: () => Topic;
  readonly told: (message: TopicMessage) => void;
  readonly subscribed: () => void;
  id: string;
}

/**
 * The page's one socket. It connects by itself, comes back by itself, and at each connection tells the
 * server for every subscription what the page has by then, so that exactly the rest is sent.
 */
export class LiveConnection {
  readonly #world: ConnectionWorld;
  readonly #watchers = new Set<Watcher>();
  readonly #listeners = new Set<() => void>();
  #state: ConnectionState = { phase: "stopped" };
  #socket: Socket | undefined;
  #callOff: (() => void) | undefined;
  #nextId = 1;
  #clockOffsetMs = 0;

  constructor(world: ConnectionWorld) {
    this.#world = world;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** What to add to this machine's clock to get the server's: time limits are the server's. */
  get clockOffsetMs(): number {
    return this.#clockOffsetMs;
  }

  /** Calls back at every change of {@link state}; returns how to stop that. */
  onState(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    this.#apply({ type: "start" });
  }

  stop(): void {
    this.#apply({ type: "stop" });
  }

  retryNow(): void {
    this.#apply({ type: "retry_now" });
  }

  /**
   * Watches a topic over every reconnect. `topic` is asked each time, because a session's cursors
   * move; `subscribed` is called after each time that the server has been told, which is when a list
   * without cursors has to be read again.
   */
  subscribe(
    topic: () => Topic,
    told: (message: TopicMessage) => void,
    subscribed: () => void = () => {},
  ): Subscription {
    const watcher: Watcher = { topic, told, subscribed, id: "" };
    this.#watchers.add(watcher);
    if (this.#state.phase === "open") this.#ask(watcher);
    return {
      renew: () => {
        if (this.#state.phase !== "open" || !this.#watchers.has(watcher)) return;
        this.#send({ type: "unsubscribe", id: watcher.id });
        this.#ask(watcher);
      },
      end: () => {
        if (this.#watchers.delete(watcher) && this.#state.phase === "open") {
          this.#send({ type: "unsubscribe", id: watcher.id });
        }
      },
    };
  }

  #apply(input: ConnectionInput): void {
    const before = this.#state;
    this.#state = step(before, input, this.#world.now(), this.#world.random());
    const wantsSocket = this.#state.phase === "connecting" || this.#state.phase === "open";
    if (!wantsSocket) this.#dropSocket();
    else if (this.#socket === undefined) this.#connect();
    this.#setTimer();
    if (this.#state.phase === "open" && before.phase !== "open") {
      for (const watcher of this.#watchers) this.#ask(watcher);
    }
    // "heard" changes a time that no page shows.
    if (this.#state.phase !== before.phase || this.#state.phase === "waiting") {
      for (const listener of this.#listeners) listener();
    }
  }

  #setTimer(): void {
    this.#callOff?.();
    const due = nextTickAt(this.#state);
    this.#callOff =
      due === null
        ? undefined
        : this.#world.after(Math.max(0, due - this.#world.now()), () => this.#apply({ type: "tick" }));
  }

  #connect(): void {
    // A socket that was let go of still closes, and may still speak; that is no news of the next one.
    const ifCurrent = (then: () => void): void => {
      if (this.#socket === socket) then();
    };
    const socket = this.#world.openSocket({
      opened: () => ifCurrent(() => this.#send({ type: "hello", protocol: PROTOCOL })),
      received: (text) => ifCurrent(() => this.#receive(JSON.parse(text) as ServerMessage)),
      closed: (reason) =>
        ifCurrent(() => {
          this.#socket = undefined;
          this.#apply({ type: "closed", reason });
        }),
    });
    this.#socket = socket;
  }

  #dropSocket(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #receive(message: ServerMessage): void {
    switch (message.type) {
      case "welcome":
        this.#clockOffsetMs = message.serverTime - this.#world.now();
        this.#apply({ type: "welcomed" });
        return;
      case "ping":
        this.#send({ type: "pong" });
        break;
      case "events":
      case "tokens":
      case "session":
      case "approval":
      case "question":
      case "resync":
        // A message for an id that was given up is late, not wrong.
        for (const watcher of this.#watchers) if (watcher.id === message.id) watcher.told(message);
        break;
    }
    this.#apply({ type: "heard" });
  }

  #ask(watcher: Watcher): void {
    watcher.id = `s${String(this.#nextId++)}`;
    this.#send({ type: "subscribe", id: watcher.id, topic: watcher.topic() });
    watcher.subscribed();
  }

  #send(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }
}
