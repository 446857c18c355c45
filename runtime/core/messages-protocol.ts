import { z } from "zod";
import type { MessageKind } from "./bus.ts";
import type { JsonValue } from "./json.ts";
import { DEAD_REASONS, type DeadReason, type Listener, type QuarantineReason } from "./messages.ts";
import type { actorSchema } from "./people.ts";
import { json } from "./protocol.ts";
import { MAX_TOPIC_LENGTH } from "./topics.ts";

// The part of the console's protocol that is about messages: see protocol.ts, which lists the routes.

/** What an agent listens to. */
export type ListenerView = Listener;

/** What is published from outside. */
export const publishBody = z.strictObject({
  body: json,
  /** Messages of one key go to one run of each receiver, in order. Default: the topic. */
  key: z.string().min(1).max(MAX_TOPIC_LENGTH).optional(),
  /** The publisher's own id of it: publishing it again under this id changes nothing. */
  id: z.string().min(1).max(200).optional(),
  /** What is said of the data. */
  labels: z.array(z.string().min(1).max(100)).max(16).default([]),
});

/** Who gets what was published, and the message that goes to each. */
export interface Published {
  readonly receivers: readonly string[];
  readonly messages: readonly string[];
}

/** A message that is not tried any more. */
export interface DeadLetterView {
  readonly deadLetter: string;
  readonly message: string;
  readonly kind: MessageKind;
  /** The receiving agent. */
  readonly agent: string;
  /** The sending agent; for a message from outside, who published it: `person:ada`. */
  readonly from: string;
  /** The sending run and its session; null for a message from outside. */
  readonly run: string | null;
  readonly session: string | null;
  /** The receiving run, where the message names one. */
  readonly target: string | null;
  readonly topic: string | null;
  readonly key: string | null;
  readonly reason: DeadReason;
  /** The reason in a sentence. */
  readonly detail: string;
  readonly tries: number;
  readonly sentAt: number;
  readonly diedAt: number;
  /** What somebody did about it; null while it is open. */
  readonly settled: {
    readonly as: "redriven" | "dropped";
    readonly by: string;
    readonly reason: string;
    readonly at: number;
  } | null;
  /** Why it cannot be redriven, and what to do instead; null if it can. */
  readonly cannotRedrive: string | null;
}

/** A dead letter with what the message says. */
export interface DeadLetterDetails extends DeadLetterView {
  readonly startedBy: z.infer<typeof actorSchema>;
  readonly labels: readonly string[];
  /** As the codec writes it. */
  readonly body: JsonValue;
}

const truth = z
  .enum(["true", "false"])
  .default("false")
  .transform((text) => text === "true");

export const deadLettersQuery = z.object({
  agent: z.string().max(200).optional(),
  reason: z.enum(DEAD_REASONS).optional(),
  /** Those that somebody has seen to as well. */
  all: truth,
  /** The `next` of the page before. */
  after: z.uuid().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
});

export interface DeadLettersPage {
  readonly deadLetters: readonly DeadLetterView[];
  readonly next: string | null;
}

/** What came on a receiver's subject and was not taken for a message. All texts in it may be somebody's attack. */
export interface QuarantinedMessageView {
  readonly quarantined: string;
  readonly reason: QuarantineReason;
  /** The reason in a sentence. */
  readonly detail: string;
  readonly subject: string;
  readonly bytes: number;
  /** The beginning of what came. */
  readonly text: string;
  readonly firstAt: number;
  readonly lastAt: number;
  /** How often the same thing came. */
  readonly times: number;
  /** Who has looked at it; null while nobody has. */
  readonly dismissed: { readonly by: string; readonly reason: string; readonly at: number } | null;
}

export const quarantinedMessagesQuery = deadLettersQuery.pick({ all: true, after: true, limit: true });

export interface QuarantinedMessagesPage {
  readonly messages: readonly QuarantinedMessageView[];
  readonly next: string | null;
}
