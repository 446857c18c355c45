import { MAX_TOKEN_TEXT, type TokenFrame } from "../core/bus.ts";

/** Sends a frame to whoever watches. Fire and forget. */
export type SendTokens = (frame: TokenFrame) => void;

/** At most so often does one call send a frame: 20 times a second. */
const FRAME_GAP_MS = 50;

/**
 * What one model call says while it is under way, gathered into frames: many small pieces become few frames
 * of bounded size. Nobody waits for them, and whether they arrive changes nothing.
 */
export class LiveTokens {
  readonly #call: Pick<TokenFrame, "session" | "run" | "effect" | "node" | "name">;
  readonly #send: SendTokens;
  #said = 0;
  #unsent = "";
  #timer: NodeJS.Timeout | null = null;

  constructor(call: Pick<TokenFrame, "session" | "run" | "effect" | "node" | "name">, send: SendTokens) {
    this.#call = call;
    this.#send = send;
  }

  say(text: string): void {
    if (text === "") return;
    this.#said += text.length;
    this.#unsent = (this.#unsent + text).slice(-MAX_TOKEN_TEXT);
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#flush();
    }, FRAME_GAP_MS).unref();
  }

  /** The call has ended. */
  end(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#said > 0) this.#flush(true);
  }

  #flush(done = false): void {
    const { session, run, effect, node, name } = this.#call;
    const text = this.#unsent;
    const offset = this.#said - text.length;
    this.#unsent = "";
    this.#send({ session, run, effect, node, name, offset, text, ...(done ? { done } : {}) });
  }
}
