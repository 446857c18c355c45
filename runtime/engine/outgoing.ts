import type { Envelope, SignedEnvelope } from "../core/bus.ts";
import type { EventData, JournalEvent, NewEvent } from "../core/events.ts";
import { derivedUuid } from "../core/ids.ts";
import type { ViewWrite } from "../core/journal.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Attempt } from "./attempt.ts";
import type { Call, Ended } from "./call.ts";
import { encode } from "./codec.ts";
import { MessageTooLargeError } from "./errors.ts";
import type { NodeExecution } from "./node-execution.ts";
import { recordableError } from "./recordable-error.ts";

/** The longest body that a message may have, in bytes of JSON: NATS takes 1 MiB, envelope and headers included. */
export const MAX_BODY_BYTES = 1_000_000;

export function bodyBytes(body: JsonValue): number {
  return Buffer.byteLength(JSON.stringify(body));
}

/** Sends the message that starts the answering run, and waits for the answer. @returns null if the session may send no more */
export async function askAgent(
  execution: NodeExecution,
  call: Call,
  intent: EventData<"effect_intended">,
  views: readonly ViewWrite[],
): Promise<null> {
  const { attempt } = execution;
  const { effect } = intent;
  const { child, message } = askIds(attempt, effect);
  const [from, to] = [attempt.head.agent, call.resource];
  const sent: SignedEnvelope[] = [];
  const leave = await attempt.outbound.take([to], { bounded: false });
  if (!leave || "full" in leave) return null;
  const { durable } = attempt.append(
    [
      { type: "effect_intended", data: { ...intent, child } },
      {
        type: "message_sent",
        data: { message, kind: "ask", subject: `mail.${to}`, from, to, effect, run: child },
      },
    ],
    {
      linger: false,
      views: (events) => {
        // The body is decoded where it arrives: plain data must not be taken for what it looks like.
        const body = encode(call.input);
        const more = { budgetLeft: leave.left };
        sent.push(sealed(attempt, { kind: "ask", id: message, to, target: child, effect, body }, events.at(-1), more));
        return [...views, budgetUsed(attempt, 1), ...outgoing(sent)];
      },
    },
  );
  await durable.finally(leave.over);
  attempt.mailer.send(sent);
  return execution.wait({ kind: "answer", effect, agent: to, run: child });
}

/** The run that an ask starts, and the message that starts it: others when the ask is made anew after it failed. */
export function askIds(attempt: Attempt, effect: string): { readonly child: string; readonly message: string } {
  const again = attempt.record.forgotten.get(effect);
  const parts = [attempt.head.run, effect, ...(again === undefined ? [] : [String(again)])];
  return { child: derivedUuid(...parts, "child"), message: derivedUuid(...parts, "ask") };
}

/** Puts a question to people, and waits for their answer. */
export async function askPeople(
  execution: NodeExecution,
  call: Call,
  intent: EventData<"effect_intended">,
  views: readonly ViewWrite[],
): Promise<never> {
  const { effect, id } = intent;
  const { question, answer } = call.input as { readonly question: string; readonly answer: JsonObject };
  const asked: ViewWrite = { view: "question_asked", id, effect, pool: call.resource, question, answer };
  await execution.attempt.append([{ type: "effect_intended", data: intent }], {
    views: [...views, asked],
    linger: false,
  }).durable;
  return execution.wait({ kind: "human", effect, question: id });
}

/** What a run that ends sends to the run that asked for it: the event, and the message once the end has its place. */
export interface Answer {
  readonly event: NewEvent;
  readonly message: (last: JournalEvent | undefined) => SignedEnvelope;
}

/** The answer of a run that ends with this outcome, or null if nobody asked. */
export function answerOf(attempt: Attempt, outcome: Ended): Answer | null {
  const { cause, message: opening } = attempt.record.started ?? {};
  // What a message that goes one way has started answers nobody.
  if (!cause || opening) return null;
  const { agent: to, effect, run } = cause;
  const id = derivedUuid(attempt.head.run, "answer");
  const body = fitting(attempt, outcome);
  return {
    event: {
      type: "message_sent",
      data: { message: id, kind: "answer", subject: `mail.${to}`, from: attempt.head.agent, to, effect, run },
    },
    message: (last) => sealed(attempt, { kind: "answer", id, to, target: run, effect, body }, last),
  };
}

/** The outcome as it travels: one that no message can carry is an error for whoever asked, and stays in this run's record. */
function fitting(attempt: Attempt, outcome: Ended): JsonValue {
  const body = outcome as JsonValue;
  const bytes = bodyBytes(body);
  if (bytes <= MAX_BODY_BYTES) return body;
  const error = new MessageTooLargeError(
    `The answer has ${String(bytes)} bytes and a message carries at most ${String(MAX_BODY_BYTES)}. It is whole in the record of the run ${attempt.head.run}; give a reference to large content instead.`,
    { details: { run: attempt.head.run, bytes } },
  );
  return { ok: false, error: { ...recordableError(error) } } as JsonValue;
}

export function outgoing(messages: readonly SignedEnvelope[]): ViewWrite[] {
  return messages.map((message) => ({ view: "message_out", message }));
}

export function budgetUsed(attempt: Attempt, messages: number): ViewWrite {
  return { view: "budget_used", messages, budget: attempt.limits.maxMessages };
}

export function sealed(
  attempt: Attempt,
  message: Pick<Envelope, "kind" | "id" | "to" | "target" | "effect" | "body" | "topic" | "key">,
  cause: JournalEvent | undefined,
  more: { readonly budgetLeft?: number } = {},
): SignedEnvelope {
  const { head } = attempt;
  return attempt.mailer.sign({
    v: 1,
    ...message,
    from: head.agent,
    session: head.session,
    run: head.run,
    cause: { seq: cause?.seq ?? head.seq, hash: cause?.hash ?? head.hash },
    startedBy: attempt.startedBy,
    depth: attempt.depth,
    deadline: attempt.record.started?.deadline ?? null,
    budgetLeft: more.budgetLeft ?? null,
    labels: attempt.labels,
    sentAt: Math.trunc(attempt.now()),
  });
}
