import type { EventData, JournalEvent } from "../../../runtime/core/events.ts";
import type { JsonValue } from "../../../runtime/core/json.ts";
import type { Actor } from "../../../runtime/core/people.ts";
import type { Verdict } from "../../../runtime/core/verdict.ts";
import type { EntryGroup, SessionIndex } from "./session-index.ts";

/**
 * A session's events as the flat list that people read: one entry for each effect, whatever number of
 * events it took, and one for each turn in a run's life. An entry is a function of its own events, so
 * the state of an entry at an earlier point is the same function of fewer of them.
 */
export type Entry = EffectEntry | Milestone;

interface EntryBase {
  readonly key: string;
  readonly run: string;
  readonly agent: string;
  /** How many asks led to this run. */
  readonly depth: number;
  readonly at: number;
  readonly events: readonly JournalEvent[];
}

export type EffectStatus =
  "done" | "failed" | "refused" | "held" | "approved" | "rejected" | "expired" | "started" | "in_doubt";

export interface EffectEntry extends EntryBase {
  readonly kind: "effect";
  readonly proposal: Proposed;
  /** The node whose body made the call. */
  readonly nodeName: string;
  readonly status: EffectStatus;
  /** Every verdict on the call, in order: after a wait it is judged again. */
  readonly verdicts: readonly Verdict[];
  readonly outcome: EventData<"effect_finished">["outcome"] | undefined;
  readonly ms: number | undefined;
  readonly via: EventData<"effect_finished">["via"] | undefined;
  /** The person who gave the end, where one did. */
  readonly by: Actor | undefined;
  readonly repeated: number;
  readonly effectId: string | undefined;
  readonly approval: ApprovalPart | undefined;
  readonly doubt: EventData<"effect_doubted">["reason"] | undefined;
  readonly resolved: EventData<"doubt_resolved"> | undefined;
  /** The run that answers an ask, and its agent once it has started. */
  readonly child: { readonly run: string; readonly agent: string | undefined } | undefined;
}

export interface ApprovalPart {
  readonly approval: string;
  readonly heldAt: number;
  readonly expiresAt: number;
  readonly decided: EventData<"approval_decided"> | undefined;
}

type Proposed = Pick<EventData<"effect_recorded">, "effect" | "node" | "kind" | "name" | "version" | "class" | "input">;

export interface Milestone extends EntryBase {
  readonly kind: "milestone";
  readonly what:
    | {
        readonly type: "run_started";
        readonly input: JsonValue;
        readonly startedBy: Actor;
        /** The agent that asked for this run; undefined where none did. */
        readonly askedBy: string | undefined;
        /** The message that started it, where nobody waits for an answer: who sent it, and the topic it was published on. */
        readonly message: { readonly from: string; readonly topic: string | undefined } | undefined;
        readonly version: string | undefined;
      }
    | { readonly type: "run_taken_over"; readonly worker: string; readonly before: string }
    | { readonly type: "node_failed"; readonly name: string; readonly error: EventData<"run_failed">["error"] }
    | { readonly type: "node_retried"; readonly name: string; readonly error: EventData<"run_failed">["error"] }
    | { readonly type: "run_quarantined"; readonly crashes: number }
    | { readonly type: "run_finished"; readonly output: JsonValue }
    | { readonly type: "run_failed"; readonly error: EventData<"run_failed">["error"] }
    | {
        readonly type: "cancel_requested" | "run_released" | "run_cancelled";
        readonly by: Actor;
        readonly reason: string;
      };
}

/** The entry as it stood right after the event at `position`; undefined if it had not begun. */
export function describeEntry(group: EntryGroup, index: SessionIndex, position = Infinity): Entry | undefined {
  const events = group.events.filter((_, i) => (group.positions[i] ?? Infinity) <= position);
  if (events.length === 0) return undefined;
  const run = index.runs.get(group.first.run);
  const base: EntryBase = {
    key: group.key,
    run: group.first.run,
    agent: run?.agent ?? "unknown agent",
    depth: run?.depth ?? 0,
    at: group.first.at,
    events,
  };
  const what = milestone(group);
  return what === undefined ? effectEntry(base, index) : { ...base, kind: "milestone", what };
}

function milestone({ first, before }: EntryGroup): Milestone["what"] | undefined {
  switch (first.type) {
    case "run_started": {
      const { input, startedBy, version, cause, message } = first.data;
      const askedBy = message ? undefined : cause?.agent;
      const by = message && { from: cause?.agent ?? startedBy.id, topic: message.topic };
      return { type: "run_started", input, startedBy, askedBy, message: by, version };
    }
    case "attempt_started":
      return { type: "run_taken_over", worker: first.data.worker, before: before ?? "another worker" };
    case "node_failed":
      return { type: "node_failed", name: first.data.name, error: first.data.error };
    case "run_finished":
      return { type: "run_finished", output: first.data.output };
    case "run_failed":
      return { type: "run_failed", error: first.data.error };
    case "node_retried":
      return { type: "node_retried", name: first.data.name, error: first.data.error };
    case "run_quarantined":
      return { type: "run_quarantined", crashes: first.data.crashes };
    case "cancel_requested":
    case "run_released":
    case "run_cancelled":
      return { type: first.type, by: first.data.by, reason: first.data.reason };
    default:
      return undefined;
  }
}

function effectEntry(base: EntryBase, index: SessionIndex): EffectEntry | undefined {
  let entry: EffectEntry | undefined;
  for (const event of base.events) entry = withEvent(entry, event, base, index);
  return entry;
}

function withEvent(
  entry: EffectEntry | undefined,
  event: JournalEvent,
  base: EntryBase,
  index: SessionIndex,
): EffectEntry | undefined {
  switch (event.type) {
    case "effect_recorded":
      return {
        ...(entry ?? begin(event.data, base, index)),
        ...judged(entry, event.data.verdict),
        status: event.data.outcome.ok ? "done" : "failed",
        outcome: event.data.outcome,
        ms: event.data.ms,
      };
    case "message_awaited":
    case "timer_set":
      return entry ?? begin(event.data, base, index);
    case "effect_retried": {
      const tried = { ...(entry ?? begin(event.data, base, index)), ...judged(entry, event.data.verdict) };
      return { ...tried, status: "started", repeated: tried.repeated + 1 };
    }
    case "effect_refused":
      return {
        ...(entry ?? begin(event.data, base, index)),
        ...judged(entry, event.data.verdict),
        // A call that people turned down stays "rejected": that is the cause of the refusal.
        status: entry?.status === "rejected" || entry?.status === "expired" ? entry.status : "refused",
      };
    case "effect_held": {
      const { approval, expiresAt } = event.data;
      return {
        ...(entry ?? begin(event.data, base, index)),
        ...judged(entry, event.data.verdict),
        status: "held",
        approval: { approval, expiresAt, heldAt: event.at, decided: undefined },
      };
    }
    case "effect_intended": {
      const { child } = event.data;
      return {
        ...(entry ?? begin(event.data, base, index)),
        ...judged(entry, event.data.verdict),
        status: "started",
        effectId: event.data.id,
        child: child === undefined ? undefined : { run: child, agent: index.runs.get(child)?.agent },
      };
    }
    default:
      return entry === undefined ? undefined : withSequel(entry, event);
  }
}

/** The events that only follow a proposal. */
function withSequel(entry: EffectEntry, event: JournalEvent): EffectEntry {
  switch (event.type) {
    case "approval_decided":
      return {
        ...entry,
        status: event.data.outcome,
        approval: entry.approval === undefined ? undefined : { ...entry.approval, decided: event.data },
      };
    case "effect_repeated":
      return { ...entry, status: "started", repeated: entry.repeated + 1 };
    case "effect_finished": {
      const { outcome, via, by } = event.data;
      // An answer has no length of its own: what took time was the wait for it.
      const ms = waitsForAnswer(entry) ? event.at - entry.at : event.data.ms;
      return { ...entry, status: outcome.ok ? "done" : "failed", outcome, ms, via, by };
    }
    case "effect_doubted":
      return { ...entry, status: "in_doubt", doubt: event.data.reason };
    case "doubt_resolved":
      return { ...entry, status: event.data.resolution === "give_up" ? "failed" : "started", resolved: event.data };
    default:
      return entry;
  }
}

function begin(data: Proposed, base: EntryBase, index: SessionIndex): EffectEntry {
  return {
    ...base,
    kind: "effect",
    proposal: data,
    nodeName: index.nodeNames.get(`${base.run}/${data.node}`) ?? nodeOfKey(data.node),
    status: "started",
    verdicts: [],
    outcome: undefined,
    ms: undefined,
    via: undefined,
    by: undefined,
    repeated: 0,
    effectId: undefined,
    approval: undefined,
    doubt: undefined,
    resolved: undefined,
    child: undefined,
  };
}

/** A node's name from its key, `1/pay`, for as long as the node has not ended and been recorded with its name. */
function nodeOfKey(key: string): string {
  return key.replace(/^.*\|/, "").replace(/^-?\d+\//, "");
}

function judged(entry: EffectEntry | undefined, verdict: Verdict | undefined): Pick<EffectEntry, "verdicts"> {
  const verdicts = entry?.verdicts ?? [];
  return { verdicts: verdict === undefined ? verdicts : [...verdicts, verdict] };
}

/** True for calls that put something to others, agents or people, and wait for what they say. */
export function waitsForAnswer({ proposal: { kind } }: Pick<EffectEntry, "proposal">): boolean {
  return kind === "ask" || kind === "human" || kind === "timer";
}

/** What is done to whom, before the name of whom. */
const DONE_TO: Readonly<Record<string, string>> = {
  "agent.ask": "ask",
  "agent.send": "send to",
  "agent.reply": "reply to",
  "topic.publish": "publish on",
  "human.ask": "question to",
};

/** What was called, as people say it: a tool by its name, a message by whom it goes to, the rest with what it is on. */
export function callName({ proposal: { kind, name } }: { readonly proposal: Pick<Proposed, "kind" | "name"> }): string {
  const colon = name.indexOf(":");
  if (kind === "tool" || colon < 0) return name;
  const [action, resource] = [name.slice(0, colon), name.slice(colon + 1)];
  return resource === "" ? action : `${DONE_TO[action] ?? `${action} in`} ${resource}`;
}

/** The question that an agent put to people, where the call is one. */
export function questionOf({ proposal: { kind, input } }: Pick<EffectEntry, "proposal">): string | undefined {
  if (kind !== "human" || typeof input !== "object" || input === null || !("question" in input)) return undefined;
  return typeof input.question === "string" ? input.question : undefined;
}
