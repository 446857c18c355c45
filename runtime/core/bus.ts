import type { Actor } from "./people.ts";
import type { JsonValue } from "./json.ts";
import type { ModelWords } from "./protocol.ts";

/**
 * What a message is: `ask` waits for an `answer`; `send`, `publish` and `reply` go one way, to an agent, to whoever
 * has a topic, and to the run that a message came from.
 */
export const MESSAGE_KINDS = ["ask", "answer", "send", "publish", "reply"] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

/** What travels on NATS from one agent to another. Signed by the worker that sends it. */
export interface Envelope {
  readonly v: 1;
  /** Unique; receivers deduplicate by it. */
  readonly id: string;
  readonly kind: MessageKind;
  /** The sending agent; for a message from outside, who published it: `person:ada`. */
  readonly from: string;
  /** The receiving agent. */
  readonly to: string;
  /** The sender's session; for a message from outside, an id of its own. */
  readonly session: string;
  /** The sending run, and the event of its journal that caused this message; null for a message from outside. */
  readonly run: string | null;
  readonly cause: { readonly seq: number; readonly hash: string } | null;
  /**
   * The receiving run: the one that an ask or a `send` without a key starts, the asker that an answer wakes, whom a
   * reply is for. Null where the message's queue decides: a topic's, or that of a key.
   */
  readonly target: string | null;
  /** The sender's effect: for an answer, the effect of the asker that waits for it. */
  readonly effect: string;
  /** The message that a reply is about. */
  readonly re?: string;
  /** What it was published on. */
  readonly topic?: string;
  /** Messages of one key go to one run of the receiver, one after the other. */
  readonly key?: string;
  readonly startedBy: Actor;
  readonly depth: number;
  readonly deadline: number | null;
  /** How many messages the sender's session may still send after this one. */
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

/** What NATS has brought on a receiver's subject, before anything of it is believed. */
export interface IncomingMail {
  readonly subject: string;
  /** The payload as text, and as JSON; undefined where it is none. */
  readonly text: string;
  readonly data: unknown;
  readonly bytes: number;
  /** Delivered once more, because the first delivery was not acknowledged. */
  readonly redelivered: boolean;
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
   * Publishes a message to its receiver's mail; resolves once JetStream has it.
   *
   * @param copy the how-many-eth time it is sent; default 1. JetStream keeps one of each.
   */
  mail(message: SignedEnvelope, copy?: number): Promise<void>;
  /** Publishes a message that is not tried any more, and why. Fire and forget: the database has it. */
  dead(message: SignedEnvelope, reason: string): void;
  /** Tells consoles what moved. Fire and forget. */
  live(notice: LiveNotice): void;
  /** Tells consoles what a model is saying. Fire and forget; the first thing to be dropped. */
  tokens(frame: TokenFrame): void;
  onWake(agent: string, handler: (runs: readonly string[]) => Promise<void>): Promise<void>;
  onMail(agent: string, handler: (mail: IncomingMail) => Promise<void>): Promise<void>;
  onLive(handler: (notice: LiveNotice) => void): Promise<void>;
  onTokens(handler: (frame: TokenFrame) => void): Promise<void>;
  /** Stops taking new work; resolves when handlers have returned. */
  close(): Promise<void>;
}
