import { z } from "zod";
import { RUN_STATUSES, type EffectOutcome, type JournalEvent, type Wait } from "./events.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { actorSchema, ROLES } from "./people.ts";
import { verdictSchema } from "./verdict.ts";

/**
 * What the console's server and its pages say to each other, over HTTP and over the socket. Schemas
 * for what comes in, types for what goes out. Everything a tool or a model returned is plain JSON in
 * here and is shown as text. What is about messages is in `messages-protocol.ts`.
 *
 * | route | takes | gives |
 * | --- | --- | --- |
 * | `POST /api/sign-in` | `signInBody` | `Me` |
 * | `POST /api/sign-out` | | 204 |
 * | `GET /api/me` | | `Me` |
 * | `GET /api/sessions` | `sessionsQuery` | `SessionsPage`, newest first |
 * | `GET /api/sessions/:id` | | `SessionView` |
 * | `GET /api/sessions/:id/state` | `stateQuery` | `SessionState` |
 * | `GET /api/sessions/:id/verify` | | `VerifyReport` |
 * | `GET /api/approvals` | `approvalsQuery` | `ApprovalsPage`: pending ones oldest first, then decided ones newest first |
 * | `GET /api/approvals/:id` | | `ApprovalView` |
 * | `POST /api/approvals/:id/decide` | `decideBody` | `ApprovalView`; 409 if it is no longer pending |
 * | `GET /api/doubts` | `doubtsQuery` | `DoubtsPage`, oldest first |
 * | `POST /api/doubts/resolve` | `resolveDoubtBody` | 204; 409 if it is no longer in doubt |
 * | `GET /api/questions` | `questionsQuery` | `QuestionsPage`: open ones oldest first, then past ones newest first |
 * | `GET /api/questions/:id` | | `QuestionView` |
 * | `POST /api/questions/:id/answer` | `answerBody` | `QuestionView`; 400 if the answer does not fit, 409 if it is no longer open |
 * | `POST /api/runs` | `startRunBody` | `SessionSummary`, 201; 200 if the key had started it before |
 * | `GET /api/runs` | `runsQuery` | `RunsPage`: what has not ended, oldest first |
 * | `GET /api/runs/:id` | | `RunView` |
 * | `POST /api/runs/:id/cancel` | `reasonBody` | `RunView`, 202; 409 if it has ended |
 * | `POST /api/runs/:id/release` | `reasonBody` | `RunView`, 202; 409 if it is not in quarantine |
 * | `POST /api/runs/:id/restart` | `reasonBody` | the new `SessionSummary`, 201; 409 if the run goes on by itself |
 * | `GET /api/queues` | | `{ queues: QueueView[] }` |
 * | `GET /api/topics` | | `{ listeners: ListenerView[] }` |
 * | `POST /api/listeners/:agent/forget` | `reasonBody` | 204; 404 if it listens to nothing, 409 if a worker has it |
 * | `POST /api/topics/:topic` | `publishBody` | `Published`, 201; 200 if it had been published under its id before; 429 if a receiver's queue is full |
 * | `GET /api/dead-letters` | `deadLettersQuery` | `DeadLettersPage`, oldest first |
 * | `GET /api/dead-letters/:id` | | `DeadLetterDetails` |
 * | `POST /api/dead-letters/:id/redrive` | `reasonBody` | `DeadLetterDetails`, 202; 409 if nobody could take it, or somebody was faster |
 * | `POST /api/dead-letters/:id/drop` | `reasonBody` | `DeadLetterDetails`; 409 if somebody was faster |
 * | `GET /api/quarantined-messages` | `quarantinedMessagesQuery` | `QuarantinedMessagesPage`, oldest first |
 * | `POST /api/quarantined-messages/:id/dismiss` | `reasonBody` | `QuarantinedMessageView`; 409 if somebody was faster |
 * | `GET /api/agents` | | `{ agents: AgentSummary[] }` |
 * | `GET /api/health` | | `Health` |
 * | `GET /api/live` | upgrades to the socket | |
 */

/** Any JSON. */
export const json = z.json() as unknown as z.ZodType<JsonValue>;

/** The version of the socket's messages. A client that speaks another one is told to reload. */
export const PROTOCOL_VERSION = 1;

// --- people ---------------------------------------------------------------------------------------

export interface Me {
  readonly name: string;
  readonly kind: "person" | "service";
  readonly roles: readonly (typeof ROLES)[number][];
  readonly pools: readonly string[];
  /** To be sent back as the header `x-csrf-token` with every request that changes something. */
  readonly csrfToken: string;
}

export const signInBody = z.union([
  z.strictObject({ name: z.string().min(1).max(200), password: z.string().min(1).max(1000) }),
  z.strictObject({ code: z.string().min(1).max(200) }),
]);

/** What every list takes that has pages. */
const page = {
  /** The `next` of the page before. */
  after: z.string().max(8000).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
};

// --- sessions -------------------------------------------------------------------------------------

/** A run as lists show it. Times are milliseconds since the epoch. */
export interface RunSummary {
  readonly run: string;
  readonly session: string;
  readonly agent: string;
  readonly parent: string | null;
  readonly status: (typeof RUN_STATUSES)[number];
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly events: number;
  readonly waits: readonly Wait[];
}

/** A session as lists show it: its root run, and what its runs add up to. */
export interface SessionSummary {
  readonly session: string;
  readonly agent: string;
  readonly status: (typeof RUN_STATUSES)[number];
  readonly startedBy: z.infer<typeof actorSchema>;
  readonly key: string | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly runs: number;
  readonly events: number;
  /** What any of its runs waits for now. */
  readonly waits: readonly Wait[];
}

export const sessionsQuery = z.object({
  status: z.enum(RUN_STATUSES).optional(),
  agent: z.string().max(200).optional(),
  /** The `next` of the page before. */
  after: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export interface SessionsPage {
  readonly sessions: readonly SessionSummary[];
  readonly next: string | null;
}

/** `GET /api/sessions/:id`: the whole session, its events in causal order. */
export interface SessionView {
  readonly session: SessionSummary;
  readonly runs: readonly RunSummary[];
  readonly events: readonly JournalEvent[];
}

/** One run at one point of the record. */
export interface RunState {
  readonly run: string;
  readonly agent: string;
  readonly status: (typeof RUN_STATUSES)[number] | "not_started";
  /** The state's channels, as the codec writes them. */
  readonly state: Readonly<Record<string, JsonValue>>;
  readonly waits: readonly Wait[];
  /** The run's last event at or before the point. */
  readonly seq: number;
}

/** `GET /api/sessions/:id/state?run=R&seq=N`: every run right after that event, in causal order. */
export const stateQuery = z.object({ run: z.uuid(), seq: z.coerce.number().int().positive() });
export interface SessionState {
  readonly at: { readonly run: string; readonly seq: number };
  readonly runs: readonly RunState[];
}

/** `GET /api/sessions/:id/verify`: every hash computed again. */
export interface VerifyReport {
  readonly verified: boolean;
  readonly runs: number;
  readonly events: number;
  readonly firstBad: { readonly run: string; readonly seq: number; readonly problem: string } | null;
}

// --- the inbox: approvals, calls in doubt, questions ----------------------------------------------

export interface DecisionView {
  readonly by: string;
  readonly decision: "approve" | "reject";
  readonly reason: string;
  readonly at: number;
}

/** A held call that waits for people, with everything that a decision needs. */
export interface ApprovalView {
  readonly approval: string;
  readonly session: string;
  /** The key that the session was started with, where there is one: how people know it. */
  readonly sessionKey: string | null;
  readonly run: string;
  readonly effect: string;
  readonly agent: string;
  readonly tool: string;
  readonly toolVersion: string;
  readonly input: JsonValue;
  /** SHA-256 over what was shown; a decision must send it back. */
  readonly argsHash: string;
  readonly verdict: z.infer<typeof verdictSchema>;
  readonly pool: string;
  readonly approversNeeded: number;
  readonly startedBy: z.infer<typeof actorSchema>;
  readonly status: "pending" | "approved" | "rejected" | "expired" | "consumed" | "void";
  readonly decisions: readonly DecisionView[];
  readonly requestedAt: number;
  readonly expiresAt: number;
  /** Why the person who asks may not decide this one; null if they may. */
  readonly cannotDecide: string | null;
}

export const approvalsQuery = z.object({ status: z.enum(["pending", "decided", "all"]).default("pending"), ...page });

export interface ApprovalsPage {
  readonly approvals: readonly ApprovalView[];
  readonly next: string | null;
}

export const decideBody = z.strictObject({
  decision: z.enum(["approve", "reject"]),
  reason: z.string().max(2000).default(""),
  argsHash: z.string().min(1),
});

/** A call with a recorded start and no recorded end, which a person has to settle. */
export interface DoubtView {
  readonly session: string;
  readonly sessionKey: string | null;
  readonly run: string;
  readonly effect: string;
  readonly effectId: string;
  readonly agent: string;
  readonly tool: string;
  readonly input: JsonValue;
  readonly reason: string;
  readonly since: number;
}

export const doubtsQuery = z.object(page);

export interface DoubtsPage {
  readonly doubts: readonly DoubtView[];
  readonly next: string | null;
}

export const resolveDoubtBody = z
  .strictObject({
    run: z.uuid(),
    effect: z.string().min(1),
    resolution: z.enum(["happened", "did_not_happen", "give_up"]),
    /** What the call returned, when it happened. */
    result: json.optional(),
    reason: z.string().min(1).max(2000),
  })
  .refine((body) => body.resolution !== "happened" || body.result !== undefined, {
    message: "Say with which result it happened.",
    path: ["result"],
  });

/** A question that an agent put to people, with everything that an answer needs. */
export interface QuestionView {
  readonly question: string;
  readonly session: string;
  readonly sessionKey: string | null;
  readonly run: string;
  readonly effect: string;
  readonly agent: string;
  /** Its members may answer. */
  readonly pool: string;
  readonly text: string;
  /** What an answer must be, as a JSON Schema. */
  readonly answer: JsonObject;
  readonly startedBy: z.infer<typeof actorSchema>;
  /** `void`: its run ended before anybody answered. */
  readonly status: "open" | "answered" | "void";
  readonly askedAt: number;
  /** What was answered; null unless `status` is `answered`. */
  readonly answered: { readonly by: string; readonly at: number; readonly value: JsonValue } | null;
  /** Why the person who asks for this view may not answer; null if they may. */
  readonly cannotAnswer: string | null;
}

export const questionsQuery = z.object({ status: z.enum(["open", "past", "all"]).default("open"), ...page });

export interface QuestionsPage {
  readonly questions: readonly QuestionView[];
  readonly next: string | null;
}

/** The answer as it was given: text stays text, a number stays a number. */
export const answerBody = z.strictObject({ answer: json });

export const startRunBody = z.strictObject({
  agent: z.string().min(1),
  input: json,
  key: z.string().min(1).max(200).optional(),
});

/** Why a run would not go on: no worker has its agent, or none the version of it that the run began with. */
export type StuckReason = "no_worker" | "no_worker_for_version";

/** A run with what an operator needs to know of how it fares. */
export interface RunView extends RunSummary {
  /** The version of its agent that it began with; null before a worker has taken it. */
  readonly version: string | null;
  readonly startedBy: z.infer<typeof actorSchema>;
  /** The key whose messages it takes, one after the other, where a message has started it. */
  readonly queue: string | null;
  /** How many workers have died with it since it last reached a wait or an end. */
  readonly crashes: number;
  readonly stuck: StuckReason | null;
}

export const runsQuery = z.object({
  status: z.enum(["ready", "running", "parked", "quarantined"]).optional(),
  agent: z.string().max(200).optional(),
  /** Only runs that would not go on. */
  stuck: z
    .enum(["true", "false"])
    .default("false")
    .transform((text) => text === "true"),
  ...page,
});

export interface RunsPage {
  readonly runs: readonly RunView[];
  readonly next: string | null;
}

export const reasonBody = z.strictObject({ reason: z.string().min(1).max(2000) });

/** How much waits for an agent. */
export interface QueueView {
  readonly agent: string;
  /** Runs, by what they are doing. */
  readonly ready: number;
  readonly running: number;
  readonly parked: number;
  readonly quarantined: number;
  /** Messages that have reached no run of it, or lie in the mailbox of one that has not received them yet. */
  readonly messages: number;
  /** How many ready runs and messages may wait before who sends more has to wait; null if no worker has said so yet. */
  readonly limit: number | null;
  /** Messages that are not tried any more, and that nobody has seen to. */
  readonly deadLetters: number;
  /** How long the oldest ready run or message has waited, in milliseconds. */
  readonly lagMs: number;
  /** The versions of it that workers have now; none if no worker is there. */
  readonly versions: readonly string[];
}

/** An agent that runs can be started of. */
export interface AgentSummary {
  readonly name: string;
  readonly description: string;
  readonly team: string | null;
}

export interface Health {
  readonly ok: boolean;
  readonly postgres: "up" | "down";
  readonly nats: "up" | "down";
  readonly workers: number;
  readonly pendingApprovals: number;
}

/** Every error over HTTP: a stable code, and what happened, to what, what to do. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly details?: JsonValue };
}

// --- the socket -----------------------------------------------------------------------------------

/**
 * `GET /api/live` upgrades. The client subscribes and says how far it has each run; it gets exactly
 * what comes after, in the order of each run, and from then on what is new.
 */
export const clientMessage = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("hello"), protocol: z.int() }),
  z.strictObject({
    type: z.literal("subscribe"),
    /** Chosen by the client; every message about this subscription carries it. */
    id: z.string().max(100),
    topic: z.discriminatedUnion("kind", [
      z.strictObject({
        kind: z.literal("session"),
        session: z.uuid(),
        have: z.record(z.uuid(), z.int().nonnegative()),
      }),
      z.strictObject({ kind: z.literal("sessions") }),
      z.strictObject({ kind: z.literal("approvals") }),
      z.strictObject({ kind: z.literal("questions") }),
    ]),
  }),
  z.strictObject({ type: z.literal("unsubscribe"), id: z.string().max(100) }),
  z.strictObject({ type: z.literal("pong") }),
]);
export type ClientMessage = z.infer<typeof clientMessage>;

/** Why the server closes a socket: the close code's reason text. */
export const CLOSE_REASONS = ["protocol_mismatch", "bad_message", "too_slow", "signed_out", "shutting_down"] as const;

/**
 * Text that a model is saying right now. Not a fact: pieces may be lost, nobody is sent what came before,
 * and what counts is the result that comes with the events.
 */
export interface ModelWords {
  readonly run: string;
  /** The effect that is under way, and the node execution that made it. */
  readonly effect: string;
  readonly node: string;
  /** What is called, as the record will name it, for example `model.chat:letters`. */
  readonly name: string;
  /** Where `text` begins in all that the call has said, in UTF-16 units: 0 is a call that begins, perhaps again. */
  readonly offset: number;
  readonly text: string;
  /** The call has ended: its result is on its way through the record. */
  readonly done?: true;
}

export type ServerMessage =
  | { readonly type: "welcome"; readonly protocol: number; readonly serverTime: number }
  | { readonly type: "ping" }
  /** The next events of a session: none is missing before them and none comes twice. */
  | {
      readonly type: "events";
      readonly id: string;
      readonly events: readonly JournalEvent[];
      readonly session: SessionSummary;
      readonly runs: readonly RunSummary[];
    }
  /** What a model of a session is saying: for whoever reads fast enough, from the moment of the subscription. */
  | ({ readonly type: "tokens"; readonly id: string } & ModelWords)
  /** A session that is new or has changed, for a list. */
  | { readonly type: "session"; readonly id: string; readonly session: SessionSummary }
  /** An approval that is new or has changed. */
  | { readonly type: "approval"; readonly id: string; readonly approval: ApprovalView }
  /** A question that is new, or was answered, or is void. */
  | { readonly type: "question"; readonly id: string; readonly question: QuestionView }
  /** This subscription cannot go on from what the client has: load the view again. */
  | { readonly type: "resync"; readonly id: string; readonly reason: string };

export type { EffectOutcome };
