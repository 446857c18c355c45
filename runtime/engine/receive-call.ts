import { isDeepStrictEqual } from "node:util";
import type { Message } from "../../agents/handles.ts";
import type { Envelope } from "../core/bus.ts";
import type { EffectRecord } from "../core/effect-record.ts";
import type { EffectOutcome, NewEvent, Proposal, ReceivedMessage, Wait } from "../core/events.ts";
import { isPlainObject, type JsonValue } from "../core/json.ts";
import { topicMatches } from "../core/topics.ts";
import type { Call, Ended } from "./call.ts";
import { decode } from "./codec.ts";
import type { Handed, NodeExecution } from "./node-execution.ts";

/** Which messages a `receive` takes, as it is recorded. */
export interface ReceiveFilter extends MessageFilter {
  /** One of these has to fit as well. */
  readonly any?: readonly MessageFilter[];
  readonly timeoutMs?: number;
}

interface MessageFilter {
  readonly from?: string;
  readonly topic?: string;
  readonly key?: string;
  readonly re?: string;
  /** Fields that the body must have, with these values. */
  readonly where?: Readonly<Record<string, JsonValue>>;
}

/** Whether one of these waits is for this message. */
export function isAwaited(waits: readonly Wait[], envelope: Envelope): boolean {
  // A wait of before this release does not say for which.
  return waits.some((wait) => wait.kind === "message" && fits((wait.filter ?? {}) as ReceiveFilter, envelope));
}

/**
 * Waits for a message in the run's mailbox that fits. The time that it waits at most counts from when it was first
 * asked for, however often the run has been taken up since.
 */
export async function receive(
  execution: NodeExecution,
  call: Call,
  proposal: Proposal,
  recorded: (EffectRecord & { readonly status: "awaiting" }) | undefined,
): Promise<Handed<Ended>> {
  const { attempt } = execution;
  const { effect } = proposal;
  const filter = call.input as ReceiveFilter;
  const dueAt = recorded ? recorded.dueAt : dueAtOf(filter, attempt.now());
  if (!recorded) {
    attempt.append([{ type: "message_awaited", data: { ...proposal, ...(dueAt === null ? {} : { dueAt }) } }]);
  }
  const taken = await attempt.mail.take(
    ({ envelope }) => fits(filter, envelope),
    ({ envelope }) => {
      const outcome: EffectOutcome = { ok: true, value: shown(envelope) };
      const events: NewEvent[] = [
        { type: "message_received", data: { ...receivedMessage(envelope), effect } },
        { type: "effect_finished", data: { effect, outcome, ms: 0, via: "message" } },
      ];
      return execution.record<Ended>(events, outcome, { views: [{ view: "mail_taken", message: envelope.id }] });
    },
  );
  if (taken) return taken;
  if (dueAt !== null && dueAt <= Math.ceil(attempt.now())) {
    const outcome: EffectOutcome = { ok: true, value: null };
    return execution.record<Ended>(
      [{ type: "effect_finished", data: { effect, outcome, ms: 0, via: "timer" } }],
      outcome,
    );
  }
  return execution.wait({ kind: "message", effect, filter: call.input, ...(dueAt === null ? {} : { until: dueAt }) });
}

function dueAtOf({ timeoutMs }: ReceiveFilter, now: number): number | null {
  return timeoutMs === undefined ? null : Math.ceil(now + timeoutMs);
}

function fits({ any, ...filter }: ReceiveFilter, envelope: Envelope): boolean {
  return fitsOne(filter, envelope) && (any === undefined || any.some((one) => fitsOne(one, envelope)));
}

function fitsOne({ from, topic, key, re, where }: MessageFilter, envelope: Envelope): boolean {
  if (from !== undefined && envelope.from !== from) return false;
  if (key !== undefined && envelope.key !== key) return false;
  if (re !== undefined && envelope.re !== re) return false;
  if (topic !== undefined && (envelope.topic === undefined || !topicMatches(topic, envelope.topic))) return false;
  if (where === undefined) return true;
  const body = decode(envelope.body);
  return Object.entries(where).every(
    ([field, value]) => isPlainObject(body) && Object.hasOwn(body, field) && isDeepStrictEqual(body[field], value),
  );
}

/** A message that goes one way, as its receiver has it on record. */
export function receivedMessage(envelope: Envelope): ReceivedMessage {
  const { id, kind, from, to, run, cause, topic, key, re, sentAt, labels } = envelope;
  if (kind === "ask" || kind === "answer") throw new Error(`The message ${id} does not go one way.`);
  return {
    message: id,
    kind,
    subject: `mail.${to}`,
    from,
    to,
    ...(run === null || cause === null ? {} : { sender: { run, ...cause } }),
    ...(topic === undefined ? {} : { topic }),
    ...(key === undefined ? {} : { key }),
    ...(re === undefined ? {} : { re }),
    sentAt,
    ...(labels.length === 0 ? {} : { labels: [...labels] }),
  };
}

/** A message as the code is given it; the body is encoded already. */
function shown(envelope: Envelope): JsonValue {
  return { ...messageFields(receivedMessage(envelope)), body: envelope.body };
}

/** What code may know of a message, beside its body. */
export function messageFields({
  message,
  kind,
  from,
  sender,
  topic,
  key,
  re,
  sentAt,
  labels,
}: ReceivedMessage): Omit<Message, "body"> {
  return {
    id: message,
    kind,
    from,
    run: sender?.run ?? null,
    topic: topic ?? null,
    key: key ?? null,
    re: re ?? null,
    sentAt,
    labels: labels ?? [],
  };
}
