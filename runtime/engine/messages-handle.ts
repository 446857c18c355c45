import type { AnyAgent } from "../../agents/define-agent.ts";
import type { Message, MessagesHandle, ReceiveOptions } from "../../agents/handles.ts";
import type { JsonValue } from "../core/json.ts";
import { z } from "zod";
import { isTopic, isTopicPattern, MAX_TOPIC_LENGTH } from "../core/topics.ts";
import { issues, plain } from "./arguments.ts";
import { bodyFor, sendable } from "./ask-call.ts";
import type { Call, OneWay } from "./call.ts";
import { InvalidArgumentsError, InvalidOutputError } from "./errors.ts";
import { LONGEST_SLEEP_MS } from "./longest-timer.ts";
import { currentExecution } from "./place.ts";
import { messageFields } from "./receive-call.ts";
import { settleCall } from "./settle-call.ts";

/** A message is sent and not called: this bounds nothing. */
const NOT_CALLED_MS = 30_000;

/** What of a message a reply goes by. Whether this run has received it is found out where it is sent. */
const replied = {
  schema: z.object({ id: z.uuid(), from: z.string(), run: z.uuid().nullable() }),
  parse(message: unknown): { readonly id: string; readonly from: string; readonly run: string | null } {
    const parsed = this.schema.safeParse(message);
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentsError(
      `What was to be replied to is no message: ${issues(parsed.error)}. Give reply what receive, or opening, has given. Nothing was sent.`,
    );
  },
};

const matching = {
  from: z.string().optional(),
  topic: z.string().optional(),
  key: z.string().optional(),
  re: z.string().optional(),
  where: z.record(z.string(), z.unknown()).optional(),
};

/** What `receive` goes by. A field that it does not know would be a condition that nobody looks at. */
const filterSchema = z.strictObject({
  ...matching,
  any: z.array(z.strictObject(matching)).optional(),
  timeoutMs: z.number().optional(),
});

/** Sends a message to an agent, which answers nothing. */
export async function send(to: AnyAgent, input: unknown, key: string | undefined): Promise<{ id: string }> {
  const message = { kind: "send", to: to.name, ...(key === undefined ? {} : { key: checkedKey(key) }) } as const;
  const given = { message: bodyFor(to, input), ...(key === undefined ? {} : { key }) };
  return (await sent("agent.send", to.name, message, given)) as { id: string };
}

export function messagesHandle(agent: AnyAgent, watched: <T>(call: Promise<T>) => Promise<T>): MessagesHandle {
  return {
    publish: (topic, body, options) => watched(publish(topic, body, options?.key)),
    reply: (message, body) => watched(reply(message, body)),
    receive: ((options: ReceiveOptions = {}) => watched(receiveMessage(agent, options))) as MessagesHandle["receive"],
    opening: () => {
      const { attempt } = currentExecution("messages.opening");
      const opening = attempt.record.started?.message;
      return opening ? { ...messageFields(opening), body: attempt.input as JsonValue } : null;
    },
  };
}

async function publish(topic: string, body: unknown, key = topic): Promise<{ receivers: string[] }> {
  if (!isTopic(topic)) {
    throw new InvalidArgumentsError(
      `"${topic}" is no topic. Use words with dots between them, for example "sensors.cold-chain.truck-7", at most ${String(MAX_TOPIC_LENGTH)} characters. Nothing was sent.`,
      { details: { topic } },
    );
  }
  const message = sendable(plain(body, topic), topic);
  const oneWay = { kind: "publish", topic, key: checkedKey(key) } as const;
  return (await sent("topic.publish", topic, oneWay, { topic, key, message })) as { receivers: string[] };
}

async function reply(to: Message, body: unknown): Promise<{ id: string }> {
  const { id, from, run } = replied.parse(to);
  if (run === null) {
    throw new InvalidArgumentsError(
      `The message ${id} came from outside (${from}), and nobody there can be replied to. Nothing was sent.`,
      { details: { message: id } },
    );
  }
  const message = sendable(plain(body, from), from);
  return (await sent("agent.reply", from, { kind: "reply", to: from, run, re: id }, { run, re: id, message })) as {
    id: string;
  };
}

function sent(action: string, resource: string, message: OneWay, input: JsonValue): Promise<unknown> {
  const call: Call = {
    kind: message.kind === "publish" ? "publish" : "send",
    action,
    resource,
    class: "idempotent",
    input,
    judged: true,
    timeoutMs: NOT_CALLED_MS,
    message,
    perform: () => Promise.reject(new Error("A message is sent, not called.")),
  };
  return settleCall(action, call);
}

/** What a queue is called: kept in a column, and in the record. */
function checkedKey(key: string): string {
  if (key.length > 0 && key.length <= MAX_TOPIC_LENGTH && key.isWellFormed() && !key.includes("\u0000")) return key;
  throw new InvalidArgumentsError(
    `A message's key has 1 to ${String(MAX_TOPIC_LENGTH)} characters of plain text; this one has ${String(key.length)}. Nothing was sent.`,
  );
}

async function receiveMessage(agent: AnyAgent, { body, ...filter }: ReceiveOptions): Promise<Message | null> {
  const known = filterSchema.safeParse(filter);
  if (!known.success) {
    throw new InvalidArgumentsError(
      `messages.receive cannot go by what it was given: ${issues(known.error)}. It takes from, topic, key, re, where and any of these, and body and timeoutMs.`,
    );
  }
  const { timeoutMs } = filter;
  if (
    timeoutMs !== undefined &&
    !(Number.isSafeInteger(timeoutMs) && timeoutMs >= 0 && timeoutMs <= LONGEST_SLEEP_MS)
  ) {
    throw new InvalidArgumentsError(
      `${String(timeoutMs)} is no time to wait for a message. Give a whole number of milliseconds, at most ten years, or leave it out.`,
    );
  }
  const topic = [filter, ...(filter.any ?? [])].find(
    (one) => one.topic !== undefined && !isTopicPattern(one.topic),
  )?.topic;
  if (topic !== undefined) {
    throw new InvalidArgumentsError(
      `"${topic}" is no pattern of topics. Use words with dots between them, * for one word and > at the end for all that follow.`,
    );
  }
  const message = (await settleCall("messages.receive", {
    kind: "receive",
    action: "messages.receive",
    resource: "",
    class: "read",
    input: plain(filter, "messages.receive"),
    judged: false,
    timeoutMs: NOT_CALLED_MS,
    perform: () => Promise.reject(new Error("A message is waited for, not called.")),
  })) as Message | null;
  // What was published is what the agent's input says, also where the run has it as a later message.
  const schema = body ?? (message?.kind === "publish" ? agent.input : undefined);
  if (message === null || !schema) return message;
  const parsed = schema.safeParse(message.body);
  if (parsed.success) return { ...message, body: parsed.data as JsonValue };
  throw new InvalidOutputError(
    `The message ${message.id} from ${message.from} does not fit the schema that it was received with: ${issues(parsed.error)}. Catch this to go on, or receive with a filter that such messages do not fit.`,
    { details: { message: message.id, from: message.from } },
  );
}
