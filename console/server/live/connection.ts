import type { WebSocket } from "ws";
import type { Credential, Principal } from "../../../runtime/core/people.ts";
import type { CLOSE_REASONS, ServerMessage } from "../../../runtime/core/protocol.ts";

export type CloseReason = (typeof CLOSE_REASONS)[number];

/** Close codes: 1001 is the protocol's own "going away", the 4000s are for applications to give. */
const CLOSE_CODES: Readonly<Record<CloseReason, number>> = {
  protocol_mismatch: 4000,
  bad_message: 4001,
  too_slow: 4002,
  signed_out: 4003,
  shutting_down: 1001,
};

/** With more than this many unsent bytes a client gets nothing that it can do without. */
const BUSY_BYTES = 64 * 1024;

/** A peer that does not answer a close within this time is cut off. */
const CLOSE_GRACE_MS = 1000;

export interface ConnectionLimits {
  /** With more than this many unsent bytes a client is behind: it gets nothing new until it has caught up. */
  readonly behindBytes: number;
  /** A client that stays behind for this long is closed as too slow. */
  readonly tooSlowMs: number;
}

/** One browser or script on the live socket, as the feeds see it. */
export class LiveConnection {
  readonly credential: Credential;
  /** Refreshed while the connection lives: roles and pools can be taken away. */
  principal: Principal;
  readonly #socket: WebSocket;
  readonly #limits: ConnectionLimits;
  #behindSinceMs: number | null = null;
  #whenCaughtUp: (() => void)[] = [];
  #closing = false;

  constructor(socket: WebSocket, principal: Principal, credential: Credential, limits: ConnectionLimits) {
    this.#socket = socket;
    this.principal = principal;
    this.credential = credential;
    this.#limits = limits;
  }

  get open(): boolean {
    return !this.#closing && this.#socket.readyState === this.#socket.OPEN;
  }

  /** True while the client reads more slowly than it is sent to. Feeds then hold their next message back. */
  get behind(): boolean {
    return this.#behindSinceMs !== null;
  }

  /** True while something is still on its way to the client: what may be lost is not sent now. */
  get busy(): boolean {
    return this.behind || this.#socket.bufferedAmount > BUSY_BYTES;
  }

  send(message: ServerMessage): void {
    this.sendText(JSON.stringify(message));
  }

  /** Sends a message that has been serialised already: one text can go to many. */
  sendText(text: string): void {
    if (!this.open) return;
    this.#socket.send(text, () => {
      this.#onWritten();
    });
    if (this.#socket.bufferedAmount > this.#limits.behindBytes) this.#behindSinceMs ??= performance.now();
  }

  /** Calls back once the client has caught up; never, if the connection ends before. */
  onceCaughtUp(callback: () => void): void {
    this.#whenCaughtUp.push(callback);
  }

  /** True if the client has been behind for too long. */
  isTooSlow(): boolean {
    return this.#behindSinceMs !== null && performance.now() - this.#behindSinceMs >= this.#limits.tooSlowMs;
  }

  close(reason: CloseReason): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#whenCaughtUp = [];
    this.#socket.close(CLOSE_CODES[reason], reason);
    // A client that does not read does not answer either.
    const timer = setTimeout(() => {
      this.#socket.terminate();
    }, CLOSE_GRACE_MS);
    timer.unref();
    this.#socket.once("close", () => {
      clearTimeout(timer);
    });
  }

  /** Resolves when the socket is closed. */
  whenClosed(): Promise<void> {
    if (this.#socket.readyState === this.#socket.CLOSED) return Promise.resolve();
    return new Promise((resolve) =>
      this.#socket.once("close", () => {
        resolve();
      }),
    );
  }

  /** Cuts the connection without a word. */
  terminate(): void {
    this.#closing = true;
    this.#socket.terminate();
  }

  #onWritten(): void {
    if (this.#behindSinceMs === null || this.#socket.bufferedAmount > this.#limits.behindBytes / 2) return;
    this.#behindSinceMs = null;
    if (!this.open) return;
    for (const callback of this.#whenCaughtUp.splice(0)) callback();
  }
}
