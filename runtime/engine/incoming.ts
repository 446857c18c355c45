import type { EventData, NewEvent } from "../core/events.ts";
import type { MailboxMessage } from "../core/journal.ts";
import type { JsonValue } from "../core/json.ts";
import type { RunRecord } from "../core/run-record.ts";
import { encode } from "./codec.ts";

/** What the mailbox of a run has for its record. */
export interface Mail {
  readonly events: readonly NewEvent[];
  /** Messages that answer nothing that the run waits for. */
  readonly unexpected: readonly MailboxMessage[];
}

/**
 * Turns messages into events, each once. A message only ends what the run waits for: an answer comes from
 * the run that was asked, a decision is about the approval that is open.
 */
export function takeOver(record: RunRecord, messages: readonly MailboxMessage[]): Mail {
  const events: NewEvent[] = [];
  const unexpected: MailboxMessage[] = [];
  const settled = new Set<string>();
  for (const message of messages) {
    if (record.messages.has(message.id)) continue;
    const event = toEvent(message);
    if (event.type === "cancel_requested") {
      // Asked a second time, by somebody else: the first word counts.
      if (record.cancel === null && !events.some(({ type }) => type === "cancel_requested")) events.push(event);
      continue;
    }
    if (event.type === "run_released") {
      events.push(event);
      continue;
    }
    const { effect } = event.data;
    if (settled.has(effect) || !isExpected(record, event, message)) {
      // Whoever was asked and answers too late has done nothing wrong.
      if (!wasWithdrawn(record, effect)) unexpected.push(message);
      continue;
    }
    settled.add(effect);
    events.push(event);
  }
  return { events, unexpected };
}

function wasWithdrawn(record: RunRecord, effect: string): boolean {
  const asked = record.effects.get(effect);
  return asked?.status === "finished" && asked.withdrawn === true;
}

type AnsweringEvent = Extract<NewEvent, { type: "approval_decided" | "effect_finished" | "doubt_resolved" }>;
type MailEvent = AnsweringEvent | Extract<NewEvent, { type: "cancel_requested" | "run_released" }>;

function isExpected(record: RunRecord, event: AnsweringEvent, message: MailboxMessage): boolean {
  const effect = record.effects.get(event.data.effect);
  switch (event.type) {
    case "approval_decided":
      return effect?.status === "held" && effect.approval === event.data.approval && effect.decided === null;
    case "doubt_resolved":
      return effect?.status === "doubted" && effect.resolution === null;
    case "effect_finished":
      if (effect?.status !== "intended") return false;
      if (message.kind === "human") return effect.proposal.kind === "human";
      if (effect.proposal.kind !== "ask" || effect.child === null) return false;
      return message.kind === "undelivered" || effect.child === event.data.child?.run;
  }
}

function toEvent(message: MailboxMessage): MailEvent {
  const data = message.data as Record<string, JsonValue>;
  switch (message.kind) {
    case "approval":
      return { type: "approval_decided", data: { ...data, message: message.id } as EventData<"approval_decided"> };
    case "answer":
    case "undelivered":
      return {
        type: "effect_finished",
        data: { ...data, ms: 0, via: message.kind, message: message.id } as EventData<"effect_finished">,
      };
    case "doubt":
      return { type: "doubt_resolved", data: { ...data, message: message.id } as EventData<"doubt_resolved"> };
    case "cancel":
      return { type: "cancel_requested", data: { ...data, message: message.id } as EventData<"cancel_requested"> };
    case "release":
      return { type: "run_released", data: { ...data, message: message.id } as EventData<"run_released"> };
    case "human": {
      const { answer, ...rest } = data;
      // Plain JSON, as it was typed: encoded, so that none of it is taken for a mark of the record's own.
      const outcome = { ok: true, value: encode(answer) };
      return {
        type: "effect_finished",
        data: { ...rest, outcome, ms: 0, via: "operator", message: message.id } as EventData<"effect_finished">,
      };
    }
  }
}
