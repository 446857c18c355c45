import type { Envelope, SignedEnvelope } from "../core/bus.ts";
import type { EffectOutcome, EventData, NewEvent } from "../core/events.ts";
import { derivedUuid } from "../core/ids.ts";
import type { ViewWrite } from "../core/journal.ts";
import type { JsonValue } from "../core/json.ts";
import type { Attempt } from "./attempt.ts";
import type { Call, Ended, OneWay } from "./call.ts";
import { encode } from "./codec.ts";
import type { Handed, NodeExecution } from "./node-execution.ts";
import type { Leave } from "./outbound.ts";
import { budgetUsed, outgoing, sealed } from "./outgoing.ts";

/** After how long a full queue is looked at again: each time twice as long. */
const FIRST_LOOK_MS = 100;
/** The same for a run that has parked meanwhile. */
const PARKED_LOOK_MS = 2_000;
const LONGEST_LOOK_MS = 15_000;

/**
 * Sends a message that goes one way: the intent, the message and the end of the call become durable together, so
 * there is nothing to repeat after a crash. Where as much waits for a receiver as may, the sender waits.
 *
 * @returns null if the session may send no more
 */
export async function sendOut(
  execution: NodeExecution,
  call: Call,
  message: OneWay,
  { intent, views }: { readonly intent: EventData<"effect_intended">; readonly views: readonly ViewWrite[] },
): Promise<Handed<Ended> | null> {
  const { attempt } = execution;
  const { effect } = intent;
  const receivers = message.kind === "publish" ? await attempt.messages.listenersOf(message.topic) : [message.to];
  // Who replies to many must not wait for those who wait for the replies.
  const leave = await roomFor(execution, effect, receivers, { bounded: message.kind !== "reply" });
  if (!leave) return null;
  if (attempt.stopping) {
    leave.over();
    return execution.hang();
  }
  const body = encode((call.input as { readonly message: JsonValue }).message);
  const drafts = receivers.map((to) => draft(attempt, effect, message, to, body));
  const sent: SignedEnvelope[] = [];
  const outcome: EffectOutcome = { ok: true, value: resultOf(message, drafts) };
  const handed = execution.record<Ended>(
    [
      { type: "effect_intended", data: intent },
      ...drafts.map((one) => sentEvent(attempt, one)),
      { type: "effect_finished", data: { effect, outcome, ms: 0, via: "call" } },
    ],
    outcome,
    {
      linger: false,
      views: (events) => {
        for (const [i, one] of drafts.entries()) {
          sent.push(sealed(attempt, one, events[i + 1], { budgetLeft: leave.left }));
        }
        return [...views, ...(drafts.length > 0 ? [budgetUsed(attempt, drafts.length)] : []), ...outgoing(sent)];
      },
    },
  );
  // Before the code goes on: what it sends next finds this one in the queue.
  await handed.durable.finally(leave.over);
  attempt.mailer.send(sent);
  return handed;
}

type Draft = Pick<Envelope, "kind" | "id" | "to" | "target" | "effect" | "body" | "topic" | "key" | "re">;

function draft(attempt: Attempt, effect: string, message: OneWay, to: string, body: JsonValue): Draft {
  const id = derivedUuid(attempt.head.run, effect, to, "message");
  const { kind } = message;
  const common = { kind, id, to, effect, body };
  switch (kind) {
    case "publish":
      return { ...common, target: null, topic: message.topic, key: message.key };
    case "reply":
      return { ...common, target: message.run, re: message.re };
    case "send":
      return message.key === undefined
        ? { ...common, target: derivedUuid(id, "run") }
        : { ...common, target: null, key: message.key };
  }
}

function sentEvent({ head }: Attempt, { kind, id, to, effect, target, topic, key, re }: Draft): NewEvent {
  return {
    type: "message_sent",
    data: {
      message: id,
      kind,
      subject: `mail.${to}`,
      from: head.agent,
      to,
      effect,
      ...(target === null ? {} : { run: target }),
      ...(topic === undefined ? {} : { topic }),
      ...(key === undefined ? {} : { key }),
      ...(re === undefined ? {} : { re }),
    },
  };
}

function resultOf(message: OneWay, drafts: readonly Draft[]): JsonValue {
  if (message.kind === "publish") return { receivers: drafts.map(({ to }) => to) };
  return { id: drafts[0]?.id ?? "" };
}

/** Waits while as much waits for an agent as may: a slow agent slows whoever sends to it, and nobody else. */
async function roomFor(
  execution: NodeExecution,
  effect: string,
  receivers: readonly string[],
  options: { readonly bounded: boolean },
): Promise<Leave | null> {
  const { attempt } = execution;
  const parked = attempt.record.turns.get(effect) ?? 0;
  const firstMs = parked === 0 ? FIRST_LOOK_MS : PARKED_LOOK_MS * 2 ** (parked - 1);
  for (let waitMs = firstMs; ; waitMs *= 2) {
    const leave = await attempt.outbound.take(receivers, options);
    if (leave === null || !("full" in leave)) return leave;
    const dueAt = Math.ceil(attempt.now() + Math.min(waitMs, LONGEST_LOOK_MS) * (0.5 + Math.random() / 2));
    await execution.waitUntil({ kind: "turn", effect, of: `queue of ${leave.full}`, dueAt });
  }
}
