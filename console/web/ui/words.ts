import type { EventType, RunStatus, Wait } from "../../../runtime/core/events.ts";
import type { Actor } from "../../../runtime/core/people.ts";
import type { ApprovalView, QuestionView } from "../../../runtime/core/protocol.ts";
import { effectNameOf, type EffectClass } from "../../../runtime/core/effects.ts";
import type { DeterminingRule, VerdictDecision } from "../../../runtime/core/verdict.ts";
import { waitsForAnswer, type EffectEntry, type EffectStatus, type Milestone } from "../session/entries.ts";

/** How a state looks: its colour and its sign. Never the only carrier of meaning; words stand beside it. */
export type Tone = "good" | "busy" | "wait" | "bad" | "doubt" | "quiet";

interface Word {
  readonly tone: Tone;
  readonly text: string;
}

export const RUN_STATUS_WORDS: Readonly<Record<RunStatus | "not_started", Word>> = {
  not_started: { tone: "quiet", text: "Not started" },
  ready: { tone: "busy", text: "Ready" },
  running: { tone: "busy", text: "Running" },
  parked: { tone: "wait", text: "Waiting" },
  quarantined: { tone: "doubt", text: "Quarantined" },
  finished: { tone: "good", text: "Finished" },
  failed: { tone: "bad", text: "Failed" },
  cancelled: { tone: "quiet", text: "Cancelled" },
};

/** In the order in which filters offer them. */
export const RUN_STATUS_ORDER: readonly RunStatus[] = [
  "running",
  "parked",
  "ready",
  "quarantined",
  "finished",
  "failed",
  "cancelled",
];

export const EFFECT_STATUS_WORDS: Readonly<Record<EffectStatus, Word>> = {
  done: { tone: "good", text: "Done" },
  failed: { tone: "bad", text: "Failed" },
  refused: { tone: "bad", text: "Refused" },
  held: { tone: "wait", text: "Held" },
  approved: { tone: "good", text: "Approved" },
  rejected: { tone: "bad", text: "Rejected" },
  expired: { tone: "bad", text: "Expired" },
  started: { tone: "busy", text: "Started" },
  in_doubt: { tone: "doubt", text: "In doubt" },
};

/** The state of a call. An ask is not made and over: whoever asked waits. */
export function effectWord(entry: Pick<EffectEntry, "status" | "proposal">): Word {
  const waits = entry.status === "started" && waitsForAnswer(entry);
  return waits ? RUN_STATUS_WORDS.parked : EFFECT_STATUS_WORDS[entry.status];
}

export const APPROVAL_STATUS_WORDS: Readonly<Record<ApprovalView["status"], Word>> = {
  pending: { tone: "wait", text: "Waiting" },
  approved: { tone: "good", text: "Approved" },
  consumed: { tone: "good", text: "Approved and used" },
  rejected: { tone: "bad", text: "Rejected" },
  expired: { tone: "bad", text: "Expired" },
  void: { tone: "quiet", text: "Void" },
};

export const QUESTION_STATUS_WORDS: Readonly<Record<QuestionView["status"], Word>> = {
  open: { tone: "busy", text: "Open" },
  answered: { tone: "good", text: "Answered" },
  void: { tone: "quiet", text: "Void" },
};

export const DECISION_WORDS: Readonly<Record<VerdictDecision, Word>> = {
  allow: { tone: "good", text: "Allowed" },
  require_approval: { tone: "wait", text: "Needs approval" },
  rate_limit: { tone: "wait", text: "Over a limit" },
  deny: { tone: "bad", text: "Denied" },
};

export const RULE_EFFECT_WORDS: Readonly<Record<DeterminingRule["effect"], string>> = {
  permit: "permits",
  deny: "denies",
  rate_limit: "limits",
  require_approval: "asks for approval",
};

export const CLASS_WORDS: Readonly<Record<EffectClass, string>> = {
  read: "read: changes nothing outside",
  idempotent: "idempotent: may be repeated",
  compensatable: "compensatable: is not repeated blindly",
  irreversible: "irreversible: is never repeated blindly",
};

export const EVENT_WORDS: Readonly<Record<EventType, string>> = {
  run_started: "Run started",
  attempt_started: "Worker took the run",
  node_finished: "Node finished",
  node_failed: "Node failed",
  node_retried: "Node failed, runs again",
  route_taken: "Route taken",
  superstep_finished: "Superstep finished",
  snapshot_taken: "Snapshot taken",
  effect_recorded: "Call recorded",
  effect_refused: "Call refused",
  effect_held: "Call held for approval",
  effect_intended: "Call about to be made",
  message_awaited: "Message waited for",
  message_received: "Message received",
  timer_set: "Timer set",
  effect_retried: "Call failed, is made again",
  effect_repeated: "Call made once more",
  effect_finished: "Call ended",
  effect_doubted: "Call in doubt",
  doubt_resolved: "Doubt settled",
  approval_decided: "Approval decided",
  message_sent: "Message sent",
  run_parked: "Run waits",
  cancel_requested: "Cancel asked for",
  run_quarantined: "Run put in quarantine",
  run_released: "Run released from quarantine",
  run_cancelled: "Run cancelled",
  run_finished: "Run finished",
  run_failed: "Run failed",
};

/** What a wait is for, to follow "Waits for". */
export function waitWords(wait: Wait): string {
  switch (wait.kind) {
    case "approval":
      return `a decision on ${effectNameOf(wait.effect)}`;
    case "doubt":
      return `a person to settle ${effectNameOf(wait.effect)}, which is in doubt`;
    case "human":
      return "people to answer a question";
    case "timer":
      return `a timer, until ${new Date(wait.dueAt).toLocaleString("en-GB")}`;
    case "retry":
      return `another try, at ${new Date(wait.dueAt).toLocaleString("en-GB")}`;
    case "turn":
      return `its turn at ${wait.of}`;
    case "message":
      return wait.until === undefined
        ? "a message"
        : `a message, until ${new Date(wait.until).toLocaleString("en-GB")}`;
    case "answer":
      return `an answer from ${wait.agent}`;
  }
}

const WAIT_ORDER: readonly Wait["kind"][] = [
  "doubt",
  "approval",
  "human",
  "retry",
  "timer",
  "turn",
  "message",
  "answer",
];

/** The waits that say most: an agent that waits for another one only matters if nothing else is waited for. */
export function tellingWaits(waits: readonly Wait[]): readonly Wait[] {
  const sorted = waits.toSorted((a, b) => WAIT_ORDER.indexOf(a.kind) - WAIT_ORDER.indexOf(b.kind));
  const telling = sorted.filter((wait) => wait.kind !== "answer");
  return telling.length > 0 ? telling : sorted;
}

/** Who it was, in words. A person's name stands alone; everything else says what it is. */
export function actorWords(actor: Actor): string {
  switch (actor.kind) {
    case "person":
      return actor.id;
    case "service":
      return `${actor.id} (service)`;
    case "agent":
      return `${actor.id} (agent)`;
    case "system":
      return "Signalbox";
  }
}

/** What a run was started by, after its agent's name. */
export function startedWords({
  message,
  askedBy,
  startedBy,
}: Extract<Milestone["what"], { type: "run_started" }>): string {
  if (message !== undefined) {
    return `started by a message from ${message.from}${message.topic === undefined ? "" : ` on ${message.topic}`}`;
  }
  return askedBy === undefined ? `started by ${actorWords(startedBy)}` : `asked by ${askedBy}`;
}

/** `1 event`, `3 events`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}
