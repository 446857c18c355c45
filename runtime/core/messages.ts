import type { SignedEnvelope } from "./bus.ts";
import type { Wait } from "./events.ts";
import type { NewRun } from "./journal.ts";

/** Why something that came on a receiver's subject is not taken for a message. */
export const QUARANTINE_REASONS = [
  "malformed",
  "oversized",
  "wrong_version",
  "unsigned",
  "forged",
  "misdirected",
  "unknown",
  "replayed",
] as const;
export type QuarantineReason = (typeof QUARANTINE_REASONS)[number];

/** Why a message is not tried any more. */
export const DEAD_REASONS = ["invalid_input", "run_ended", "forged", "too_many_tries"] as const;
export type DeadReason = (typeof DEAD_REASONS)[number];

/** What NATS brought and nobody believed. */
export interface QuarantinedMessage {
  readonly reason: QuarantineReason;
  /** In a sentence. */
  readonly detail: string;
  readonly subject: string;
  readonly bytes: number;
  /** The payload, or the beginning of it. */
  readonly text: string;
}

/** What the outbox knows of a message that NATS has brought. */
export interface Arrival {
  /** The text that was sent. */
  readonly stored: string;
  /**
   * `waiting`: it has reached nobody yet. `received`: it has. `over`: its sender took it back, or it is not tried any
   * more.
   */
  readonly state: "waiting" | "received" | "over";
  /** More copies have come than were sent. */
  readonly replayed: boolean;
  /** The oldest message of the same run to the same agent that has reached nobody: perhaps this one. */
  readonly first: SignedEnvelope | null;
}

/** Where a message that goes one way has got to. */
export type Routed =
  /** In the mailbox of a run, which has been woken. */
  | { readonly kind: "left"; readonly run: string }
  | { readonly kind: "started"; readonly run: string }
  /** The message's queue begins with another one: that comes first. */
  | { readonly kind: "behind"; readonly first: SignedEnvelope }
  /** There is nobody for it any more, and it is a dead letter now. */
  | { readonly kind: "dead"; readonly reason: DeadReason }
  /** Somebody else has seen to it. */
  | { readonly kind: "done" };

/** What an agent listens to, and how much of it may wait. */
export interface Listener {
  readonly agent: string;
  /** Patterns of topics, as NATS has them: `*` for one word, `>` for all that follow. */
  readonly topics: readonly string[];
  /** How many messages may wait for it before who sends more has to wait. */
  readonly queue: number;
}

/** The messages between agents: what was sent, in the order in which it was sent, and where it has got to. */
export interface Messages {
  /** Makes known what agents listen to, and that they still do; what they listened to before is forgotten. */
  listen(listeners: readonly Listener[]): Promise<void>;
  /** The agents that listen to a topic, apart from those that no worker has had for a week. */
  listenersOf(topic: string): Promise<readonly string[]>;
  /** How many messages more may wait for this agent; whoever sends beyond that has to wait. */
  room(agent: string): Promise<number>;
  /** How many messages a session may still send; a budget that it was started with counts. */
  budgetLeft(session: string): Promise<number>;
  /** Null where nothing was ever sent under this id. @param copy whether this is one more copy, and not a redelivery */
  arrived(message: string, copy: boolean): Promise<Arrival | null>;
  /**
   * Brings a message that goes one way to its run: to the one it names, to the one that its queue has, or, where the
   * queue has none, to a new one. Only the first message of a queue starts a run; it then has what comes after it in
   * its mailbox. A run that waits for other messages only is not woken.
   *
   * @param start the run that it starts, or why the agent does not take it
   * @param isAwaited whether one of these waits of a parked run is for this message
   */
  route(
    message: SignedEnvelope,
    start: NewRun | { readonly dead: DeadReason; readonly detail: string },
    isAwaited: (waits: readonly Wait[]) => boolean,
  ): Promise<Routed>;
  /** The message that the queue of a key begins with and that no run has; null if there is none. */
  firstOf(agent: string, key: string): Promise<SignedEnvelope | null>;
  /** What lies in a run's mailbox and was not received, oldest first, beginning after a place in the order. */
  mailOf(run: string, after: number): Promise<readonly { readonly place: number; readonly message: SignedEnvelope }[]>;
  /** True if this run has received, or was started by, that message, and that run of that agent has sent it. */
  mayReply(reply: {
    readonly re: string;
    readonly by: string;
    readonly to: string;
    readonly run: string;
  }): Promise<boolean>;
  /** A message is not tried any more. */
  bury(message: SignedEnvelope, reason: DeadReason, detail: string): Promise<void>;
  /** Counts a try that failed. @returns how many there were. */
  failed(message: string): Promise<number>;
  quarantine(message: QuarantinedMessage): Promise<void>;
}
