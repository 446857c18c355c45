import { once } from "node:events";
import { setTimeout as passed } from "node:timers/promises";
import { WebSocket } from "ws";
import { DEFAULT_LIVE_SETTINGS } from "../../../console/server/live/hub.ts";
import { PROTOCOL_VERSION, type ClientMessage, type ServerMessage } from "../../../runtime/core/protocol.ts";
import type { Api } from "./ask.ts";

type Topic = Extract<ClientMessage, { type: "subscribe" }>["topic"];

/** A live socket that has been welcomed. */
export class LiveSocket implements Disposable {
  readonly #socket: WebSocket;
  #subscriptions = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async open({ url, token }: Api): Promise<LiveSocket> {
    const headers = { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${url.replace("http", "ws")}/api/live`, { headers });
    await once(socket, "open");
    socket.on("message", (data: Buffer) => {
      const { type } = JSON.parse(data.toString("utf8")) as ServerMessage;
      if (type === "ping") socket.send(JSON.stringify({ type: "pong" } satisfies ClientMessage));
    });
    const welcomed = once(socket, "message");
    socket.send(JSON.stringify({ type: "hello", protocol: PROTOCOL_VERSION } satisfies ClientMessage));
    await welcomed;
    return new LiveSocket(socket);
  }

  /** Subscribes, takes the time until the first frame is here, and unsubscribes. */
  async firstFrame(topic: Topic): Promise<number> {
    const id = String(++this.#subscriptions);
    const startedMs = performance.now();
    const there = new Promise<number>((resolve) => {
      const hear = (data: Buffer): void => {
        const ms = performance.now() - startedMs;
        const message = JSON.parse(data.toString("utf8")) as ServerMessage;
        if (!("id" in message) || message.id !== id) return;
        this.#socket.off("message", hear);
        resolve(ms);
      };
      this.#socket.on("message", hear);
    });
    this.#send({ type: "subscribe", id, topic });
    const ms = await there;
    this.#send({ type: "unsubscribe", id });
    // A list is read at most so often, whoever asks; a session as often as somebody does.
    if (topic.kind !== "session") await passed(DEFAULT_LIVE_SETTINGS.listGapMs * 1.5);
    return ms;
  }

  #send(message: ClientMessage): void {
    this.#socket.send(JSON.stringify(message));
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }
}
