import { z } from "zod";
import { MESSAGE_KINDS } from "./bus.ts";
import { EFFECT_CLASSES, EFFECT_KINDS } from "./effects.ts";
import type { JsonValue } from "./json.ts";
import { actorSchema } from "./people.ts";
import { verdictSchema } from "./verdict.ts";

/**
 * Every type of event that a journal can hold, defined once. Names are `noun_verb` in the past tense.
 * A change to the shape of a recorded type gets a new `v`; readers keep reading the old ones.
 *
 * Values (`input`, `output`, `update`, …) are JSON as the codec writes it: anything that JSON lacks
 * (dates, LangChain messages, LangGraph commands) is an object with a `$type` key.
 */
const value = z.json() as unknown as z.ZodType<JsonValue>;

const errorRecord = z.object({
  name: z.string(),
  message: z.string(),
  code: z.string().optional(),
  details: z.record(z.string(), value).optional(),
});

const outcome = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(true), value }),
  z.object({ ok: z.literal(false), error: errorRecord }),
]);

/** Points at one event of another run, by place and by hash. */
const eventRef = z.object({ run: z.string(), seq: z.int().positive(), hash: z.string() });

const startCause = eventRef.extend({ message: z.string(), agent: z.string(), effect: z.string() });

/** A message that goes one way, as its receiver has it on record. */
const receivedMessage = z.object({
  message: z.string(),
  kind: z.enum(["send", "publish", "reply"]),
  subject: z.string(),
  from: z.string(),
  to: z.string(),
  /** The run that sent it, and the event that caused it; absent for a message from outside. */
  sender: eventRef.optional(),
  /** The message that a reply is about. */
  re: z.string().optional(),
  topic: z.string().optional(),
  key: z.string().optional(),
  sentAt: z.int(),
  labels: z.array(z.string()).optional(),
});

/** What was proposed: the same fields in every event that first mentions an effect. */
const proposal = {
  effect: z.string(),
  node: z.string(),
  kind: z.enum(EFFECT_KINDS),
  name: z.string(),
  /** The version of the tool, where there is one. */
  version: z.string().optional(),
  class: z.enum(EFFECT_CLASSES),
  fingerprint: z.string(),
  nth: z.int().nonnegative(),
  input: value,
};

const wait = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("approval"), effect: z.string(), approval: z.string() }),
  z.object({ kind: z.literal("answer"), effect: z.string(), agent: z.string(), run: z.string() }),
  z.object({ kind: z.literal("doubt"), effect: z.string() }),
  z.object({ kind: z.literal("human"), effect: z.string(), question: z.string() }),
  z.object({ kind: z.literal("timer"), effect: z.string(), dueAt: z.int() }),
  /** A call, or a node (`effect` is its key then), that failed and is tried again. */
  z.object({ kind: z.literal("retry"), effect: z.string(), dueAt: z.int() }),
  /** A message. Without a time, for as long as it takes. */
  z.object({ kind: z.literal("message"), effect: z.string(), filter: value.optional(), until: z.int().optional() }),
  /** A call that other calls keep from being made: as many as may be under way at once are. */
  z.object({ kind: z.literal("turn"), effect: z.string(), of: z.string(), dueAt: z.int() }),
]);

/**
 * How one channel changed in a superstep. `by` names the node execution whose recorded update holds the value; where
 * that is a command, the command's update does.
 */
const channelChange = z.discriminatedUnion("op", [
  z.object({ op: z.literal("set"), value }),
  z.object({ op: z.literal("append"), items: z.array(value) }),
  z.object({ op: z.literal("set_by"), node: z.string() }),
  z.object({ op: z.literal("append_by"), nodes: z.array(z.string()) }),
]);

export const eventSchemas = {
  run_started: z.object({
    session: z.string(),
    agent: z.string(),
    /** The agent's version, where it was known before a worker took the run. */
    version: z.string().optional(),
    input: value,
    startedBy: actorSchema,
    /** Starting again with the same key gives the same run. */
    key: z.string().optional(),
    /**
     * For a run that another run caused: the event that caused it, the message that carried it, and the
     * agent and the effect that wait for the answer.
     */
    cause: startCause.optional(),
    depth: z.int().nonnegative(),
    /** When the run has to have ended, at the latest. */
    deadline: z.int().optional(),
    /** For a run that a message started which nobody waits to see answered. */
    message: receivedMessage.optional(),
    /** What is said of the data that it works with. */
    labels: z.array(z.string()).optional(),
    /** How many messages its session may send, where less than usual. */
    budget: z.int().nonnegative().optional(),
  }),
  attempt_started: z.object({
    epoch: z.int().positive(),
    worker: z.string(),
    /** The version of the agent that works on it. */
    version: z.string().optional(),
    /** When the lease was granted, by the database's clock: what earlier attempts began, they began before. */
    claimedAt: z.int().optional(),
  }),
  node_finished: z.object({
    node: z.string(),
    name: z.string(),
    update: value,
    ms: z.number(),
  }),
  node_failed: z.object({ node: z.string(), name: z.string(), error: errorRecord, ms: z.number() }),
  /** The node failed and runs again from `dueAt` on; what its calls gave is kept, what failed is called again. */
  node_retried: z.object({
    node: z.string(),
    name: z.string(),
    /** How many times it has failed. */
    failures: z.int().positive(),
    error: errorRecord,
    dueAt: z.int(),
    ms: z.number(),
  }),
  route_taken: z.object({ route: z.string(), to: value }),
  superstep_finished: z.object({
    /** The enclosing key: empty for the run's own graph, a node key for a subgraph. */
    graph: z.string(),
    step: z.int(),
    changes: z.record(z.string(), channelChange),
    /** Chains over every change of every channel of this graph: equal only if all were equal. */
    channels: z.string(),
  }),
  /**
   * What the run had come to right after the superstep before this event was written down apart, so that a later
   * attempt need not come there step by step. What is stored only counts if it has this hash; without it nothing
   * is lost.
   */
  snapshot_taken: z.object({
    step: z.int(),
    bytes: z.int().positive(),
    /** SHA-256 over the stored text. */
    hash: z.string(),
  }),
  /** A call that changes nothing outside: proposal and end in one. */
  effect_recorded: z.object({ ...proposal, verdict: verdictSchema.optional(), outcome, ms: z.number() }),
  effect_refused: z.object({ ...proposal, verdict: verdictSchema }),
  effect_held: z.object({
    ...proposal,
    verdict: verdictSchema,
    approval: z.string(),
    argsHash: z.string(),
    expiresAt: z.int(),
  }),
  /** Durable before the call happens. `id` is the idempotency key that the tool is given. */
  effect_intended: z.object({
    ...proposal,
    id: z.string(),
    verdict: verdictSchema,
    approval: z.string().optional(),
    /** The run that will answer an ask. */
    child: z.string().optional(),
  }),
  /** The run waits for a message that fits; with `dueAt`, until then at most. */
  message_awaited: z.object({ ...proposal, dueAt: z.int().optional() }),
  message_received: receivedMessage.extend({ effect: z.string() }),
  /** A call that ends by itself at a time: a sleep. */
  timer_set: z.object({ ...proposal, dueAt: z.int() }),
  /** A call failed and is made again from `dueAt` on, because its tool says so. */
  effect_retried: z.object({
    ...proposal,
    verdict: verdictSchema.optional(),
    /** How many times it has failed. */
    failures: z.int().positive(),
    error: errorRecord,
    dueAt: z.int(),
    ms: z.number(),
  }),
  /** A call whose end was not recorded is made once more, because its class allows it. */
  effect_repeated: z.object({
    effect: z.string(),
    why: z.enum(["crash", "operator"]),
    /** What the rules said when it was judged again, where it was. */
    verdict: verdictSchema.optional(),
  }),
  effect_finished: z.object({
    effect: z.string(),
    outcome,
    ms: z.number(),
    /** `undelivered`: an ask that could not be brought to anybody; `withdrawn`: one whose answer is not wanted any more. */
    via: z.enum(["call", "reconcile", "operator", "answer", "timer", "message", "undelivered", "withdrawn"]),
    /** Of a call that was tried again: what the rules said when it was judged again. */
    verdict: verdictSchema.optional(),
    /** The mailbox message that carried the end, where one did. */
    message: z.string().optional(),
    /** For an answer: the answering run's last event. */
    child: eventRef.optional(),
    /** For an answer: what is said of the data that the answering run worked with. */
    labels: z.array(z.string()).optional(),
    /** The person who gave the end, where one did. */
    by: actorSchema.optional(),
  }),
  /** A recorded start without a recorded end, which nothing but a person can settle. */
  effect_doubted: z.object({ effect: z.string(), reason: z.string() }),
  doubt_resolved: z.object({
    effect: z.string(),
    resolution: z.enum(["happened", "did_not_happen", "give_up"]),
    result: value.optional(),
    by: actorSchema,
    reason: z.string(),
    message: z.string(),
  }),
  approval_decided: z.object({
    approval: z.string(),
    effect: z.string(),
    argsHash: z.string(),
    /** What the decisions add up to. */
    outcome: z.enum(["approved", "rejected", "expired"]),
    decisions: z.array(
      z.object({ by: actorSchema, decision: z.enum(["approve", "reject"]), reason: z.string(), at: z.int() }),
    ),
    message: z.string(),
  }),
  message_sent: z.object({
    message: z.string(),
    kind: z.enum(MESSAGE_KINDS),
    subject: z.string(),
    from: z.string(),
    to: z.string(),
    effect: z.string().optional(),
    /** The receiving run, where the sender knows it. */
    run: z.string().optional(),
    re: z.string().optional(),
    topic: z.string().optional(),
    key: z.string().optional(),
  }),
  /**
   * With `over`, only what is new since the run last parked, and the effects that it waits for no more: all else that it
   * waited for then, it still does. Without, all that it waits for, as always for the first park after a snapshot.
   */
  run_parked: z.object({ waits: z.array(wait), over: z.array(z.string()).optional() }),
  /** Somebody asked that the run end: from here on nothing new is called, and what was started is settled. */
  cancel_requested: z.object({
    by: actorSchema,
    reason: z.string(),
    message: z.string(),
    /** For a run whose asker has ended: the asker's event. */
    cause: eventRef.optional(),
  }),
  /** The run crashed every worker that had it, each time alone: nobody takes it before a person has looked. */
  run_quarantined: z.object({ crashes: z.int().positive() }),
  run_released: z.object({ by: actorSchema, reason: z.string(), message: z.string() }),
  run_cancelled: z.object({ by: actorSchema, reason: z.string(), message: z.string() }),
  run_finished: z.object({ output: value }),
  run_failed: z.object({ error: errorRecord }),
} as const;

export type EventType = keyof typeof eventSchemas;
export type EventData<T extends EventType> = z.infer<(typeof eventSchemas)[T]>;

/** The version of every type's shape that this release writes. */
export const EVENT_VERSION = 1;

/** An event before the journal has given it its place. */
export type NewEvent = { [T in EventType]: { readonly type: T; readonly data: EventData<T> } }[EventType];

/** The last event of a run. */
export type RunEnd = Extract<NewEvent, { readonly type: "run_finished" | "run_failed" | "run_cancelled" }>;

/** An event with its place in the journal. `at` is milliseconds since the epoch; hashes are hex. */
export type JournalEvent = NewEvent & {
  readonly run: string;
  readonly seq: number;
  readonly v: number;
  readonly at: number;
  readonly prev: string;
  readonly hash: string;
};

export const outcomeSchema = outcome;
export type EffectOutcome = z.infer<typeof outcome>;
export type Wait = z.infer<typeof wait>;
export type ChannelChange = z.infer<typeof channelChange>;
export type EventRef = z.infer<typeof eventRef>;
export type StartCause = z.infer<typeof startCause>;
export type ReceivedMessage = z.infer<typeof receivedMessage>;
export type Proposal = Pick<
  EventData<"effect_recorded">,
  "effect" | "node" | "kind" | "name" | "version" | "class" | "fingerprint" | "nth" | "input"
>;

/** Where a reader of a session has got to: the last seen sequence number of each run. */
export type Cursor = Readonly<Record<string, number>>;

/** What a run is doing. The last three are ends: nothing follows them. */
export const RUN_STATUSES = ["ready", "running", "parked", "quarantined", "finished", "failed", "cancelled"] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];
export const ENDED_STATUSES: readonly RunStatus[] = ["finished", "failed", "cancelled"];
