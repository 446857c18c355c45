import type { Actor } from "./people.ts";
import type { JsonValue } from "./json.ts";
import type { ModelWords } from "./protocol.ts";

/** What travels on NATS from one agent to another. Signed by the worker that sends it. */
export interface Envelope {
  readonly v: 1;
  /** Unique; receivers deduplicate by it. */
  readonly id: string;
  readonly kind: "ask" | "answer";
  /** Agent names. */
  readonly from: string;
  readonly to: string;
  readonly session: string;
  /** The sending run, and the event of its journal that caused this message. */
  readonly run: string;
  readonly cause: { readonly seq: number; readonly hash: string };
  /** The receiving run: the child that an ask starts, the asker that an answer wakes. */
  readonly target: string;
  /** The effect of the asker that waits for the answer. */
  readonly effect: string;
  readonly startedBy: Actor;
  readonly depth: number;
  readonly deadline: number | null;
  readonly budgetLeft: number | null;
  readonly labels: readonly string[];
  /** Milliseconds since the epoch. */
  readonly sentAt: number;
  readonly body: JsonValue;
}

/** An envelope with who vouches for it: a worker's id and its Ed25519 signature over the canonical JSON. */
export interface SignedEnvelope {
  readonly envelope: Envelope;
  readonly worker: string;
  /** Base64. */
  readonly signature: string;
}

/** Told about a session after a commit: what each named run's journal now reaches. A hint, never a fact. */
export interface LiveNotice {
  readonly session: string;
  readonly heads: Readonly<Record<string, number>>;
}

/** What a model is saying, on its way to whoever watches the session. */
export interface TokenFrame extends ModelWords {
  readonly session: string;
}

/** The longest `text` of a frame. Who says more within one frame's time loses the start of it. */
export const MAX_TOKEN_TEXT = 8192;

/** What Signalbox needs from NATS. Everything sent may be lost; nothing is known only here. */
export interface Bus {
  /** Hints that runs of an agent are ready. */
  wake(agent: string, runs: readonly string[]): void;
  /**
   * Publishes a message to its receiver's mail; resolves once JetStream has it. With `again`, a copy of one that was
   * published before and has reached nobody.
   */
  mail(message: SignedEnvelope, again?: boolean): Promise<void>;
  /** Tells consoles what moved. Fire and forget. */
  live(notice: LiveNotice): void;
  /** Tells consoles what a model is saying. Fire and forget; the first thing to be dropped. */
  tokens(frame: TokenFrame): void;
  onWake(agent: string, handler: (runs: readonly string[]) => Promise<void>): Promise<void>;
  onMail(agent: string, handler: (message: unknown) => Promise<void>): Promise<void>;
  onLive(handler: (notice: LiveNotice) => void): Promise<void>;
  onTokens(handler: (frame: TokenFrame) => void): Promise<void>;
  /** Stops taking new work; resolves when handlers have returned. */
  close(): Promise<void>;
}
