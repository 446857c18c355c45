import {
  AIMessage,
  AIMessageChunk,
  BaseMessage,
  mapStoredMessagesToChatMessages,
  type AIMessageChunkFields,
  type AIMessageFields,
  type StoredMessage,
  type UsageMetadata,
} from "@langchain/core/messages";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { plain } from "./arguments.ts";

/** A model call as it is judged and recorded: plain JSON, and all that the model is sent. */
export interface ModelRequest {
  /** The texts of all system messages. */
  readonly system?: string;
  /** The texts of what the model has not been told before: everything after its own last message. */
  readonly prompt: string;
  /** The whole conversation, in LangChain's stored form. */
  readonly messages: readonly JsonValue[];
  /** The tools that the model may ask for, as it is told of them. */
  readonly tools?: readonly JsonValue[];
  /** Whatever else the call was given: `stop`, `tool_choice`, `temperature`, … */
  readonly options?: JsonObject;
}

/** Ids that LangChain, LangGraph and we make up. They say nothing to a model, and the first two are random. */
const MADE_UP_ID = /^(run-|lc_run-)?-*[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What is left out of a recorded message: it is about an earlier call, or empty. */
const LEFT_OUT = new Set(["usage_metadata", "tool_call_chunks"]);

/** @throws InvalidArgumentsError for what is not plain JSON. */
export function modelRequest(
  messages: readonly BaseMessage[],
  { tools, ...options }: Readonly<Record<string, unknown>>,
): ModelRequest {
  const system = messages.filter((message) => message.type === "system").map(({ text }) => text);
  const spoken = messages.findLastIndex((message) => message.type === "ai");
  const fresh = messages.slice(spoken + 1).filter((message) => message.type !== "system");
  return plain(
    {
      ...(system.length === 0 ? {} : { system: system.join("\n\n") }),
      prompt: fresh.map(({ text }) => text).join("\n\n"),
      messages: messages.map(recordedMessage),
      ...(tools === undefined ? {} : { tools }),
      ...(Object.keys(options).length === 0 ? {} : { options }),
    },
    "model.chat",
  ) as unknown as ModelRequest;
}

/** The messages of a recorded request, as a model takes them. */
export function messagesOf(request: ModelRequest): BaseMessage[] {
  return mapStoredMessagesToChatMessages(structuredClone(request.messages) as unknown as StoredMessage[]);
}

function recordedMessage(message: BaseMessage): Record<string, unknown> {
  const { type, data } = message.toDict();
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(data)) {
    if (LEFT_OUT.has(key) || isEmpty(value) || (key === "id" && ownId(message) === undefined)) continue;
    kept[key] = value;
  }
  return { type, data: { ...kept, content: message.content } };
}

function isEmpty(value: unknown): boolean {
  return value === undefined || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
}

/** The id that the model's provider gave a message, if it did. */
export function ownId({ id }: BaseMessage): string | undefined {
  return id === undefined || id === "" || MADE_UP_ID.test(id) ? undefined : id;
}

/** A model's reply as it is recorded: whole, and with an id that is the same in every attempt. */
export function recordedReply(reply: BaseMessage, effectId: string): AIMessage {
  const id = ownId(reply) ?? effectId;
  const { content, name, additional_kwargs, response_metadata } = reply;
  const common = { content, additional_kwargs, response_metadata, id, ...(name === undefined ? {} : { name }) };
  if (!AIMessage.isInstance(reply) && !AIMessageChunk.isInstance(reply)) return new AIMessage(common);
  const { tool_calls, invalid_tool_calls } = reply;
  const usage_metadata = usageOf(reply);
  return new AIMessage({
    ...common,
    ...(tool_calls === undefined
      ? {}
      : { tool_calls: tool_calls.map((call, i) => ({ ...call, id: call.id ?? `${id}-${String(i)}` })) }),
    ...(invalid_tool_calls === undefined ? {} : { invalid_tool_calls }),
    ...(usage_metadata === undefined ? {} : { usage_metadata }),
  } as AIMessageFields);
}

/** What a reply cost, if its provider said so. LangChain's type of it knows nothing of messages without tools. */
export function usageOf(reply: BaseMessage): UsageMetadata | undefined {
  return (reply as { readonly usage_metadata?: UsageMetadata }).usage_metadata;
}

/** A whole message as the one chunk of a stream. */
export function chunkOf(message: AIMessage): AIMessageChunk {
  const { content, name, id, additional_kwargs, response_metadata } = message as BaseMessage;
  const usage_metadata = usageOf(message);
  const asked = [
    ...(message.tool_calls ?? []).map((call) => ({ ...call, args: JSON.stringify(call.args) })),
    ...(message.invalid_tool_calls ?? []),
  ];
  return new AIMessageChunk({
    content,
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- providers still keep what only they understand in it
    additional_kwargs,
    response_metadata,
    tool_call_chunks: asked.map(({ name, args, id }, index) => ({
      type: "tool_call_chunk" as const,
      index,
      ...(name === undefined ? {} : { name }),
      ...(args === undefined ? {} : { args }),
      ...(id === undefined ? {} : { id }),
    })),
    ...(id === undefined ? {} : { id }),
    ...(name === undefined ? {} : { name }),
    ...(usage_metadata === undefined ? {} : { usage_metadata }),
  } as AIMessageChunkFields);
}

/** What a piece of a reply says, as people read it while it comes: its text, and the calls that it asks for. */
export function saidBy(piece: BaseMessage): string {
  if (!AIMessageChunk.isInstance(piece)) return piece.text;
  const calls = (piece.tool_call_chunks ?? []).map(({ name, args }) => (name ? `\n${name} ` : "") + (args ?? ""));
  return piece.text + calls.join("");
}
