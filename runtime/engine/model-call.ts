import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import {
  AIMessage,
  HumanMessage,
  SystemMessage,
  type AIMessageChunk,
  type AIMessageFields,
  type BaseMessage,
} from "@langchain/core/messages";
import { AsyncLocalStorageProviderSingleton } from "@langchain/core/singletons";
import { concat } from "@langchain/core/utils/stream";
import type { ChatModel, ModelHandle, ModelReply } from "../../agents/handles.ts";
import type { Proposal } from "../core/events.ts";
import type { JsonValue } from "../core/json.ts";
import { plain } from "./arguments.ts";
import type { CallContext } from "./call.ts";
import { InvalidArgumentsError, ModelMissingError } from "./errors.ts";
import { LiveTokens, type SendTokens } from "./live-tokens.ts";
import { messagesOf, ownId, recordedReply, saidBy, usageOf, type ModelRequest } from "./model-messages.ts";
import { currentExecution } from "./place.ts";
import { settleCall } from "./settle-call.ts";

/** What model calls reach the world through, behind the gate. */
export interface ModelServices {
  /** The configured chat models, by name. */
  readonly models: ReadonlyMap<string, ChatModel>;
  /** Where what a model says goes while it says it. */
  readonly tokens?: SendTokens;
}

/** Told of each piece of a reply as it comes. */
type OnPiece = (piece: AIMessageChunk) => Promise<void>;

const MODEL_TIMEOUT_MS = 120_000;

/** A call of the small form: a prompt in, text out. */
export async function chat(
  services: ModelServices,
  name: string,
  input: { readonly system?: string; readonly prompt: string },
): Promise<ModelReply> {
  const asked = plain(input, "model.chat");
  // What was judged and recorded is what the model is sent, whatever became of the caller's object.
  const { system, prompt } = asked as { readonly system?: string; readonly prompt: string };
  const reply = await throughGate(services, name, asked, async (model, context, tell) => {
    if (!isLangchainModel(model)) return model.chat({ ...(system === undefined ? {} : { system }), prompt });
    const messages = [...(system === undefined ? [] : [new SystemMessage(system)]), new HumanMessage(prompt)];
    const answer = await ask(model, messages, {}, context, (piece) => {
      tell(piece);
      return Promise.resolve();
    });
    const usage = usageOf(answer);
    return {
      text: answer.text,
      ...(usage ? { inputTokens: usage.input_tokens, outputTokens: usage.output_tokens } : {}),
    };
  });
  return reply as ModelReply;
}

/** A call with whole messages, tools and options: messages in, a message out. */
export async function converse(
  services: ModelServices,
  name: string,
  request: ModelRequest,
  extra: { readonly signal?: AbortSignal; readonly onPiece?: OnPiece },
): Promise<AIMessage> {
  const input = request as unknown as JsonValue;
  const message = await throughGate(services, name, input, async (model, context, tell) => {
    if (!isLangchainModel(model)) return recordedReply(await askSmall(name, model, request), context.effectId);
    const signal = extra.signal ? AbortSignal.any([context.signal, extra.signal]) : context.signal;
    const options = { ...request.options, ...(request.tools === undefined ? {} : { tools: request.tools }) };
    return ask(model, messagesOf(request), structuredClone(options), { ...context, signal }, async (piece) => {
      tell(piece);
      await extra.onPiece?.(piece);
    });
  });
  return message as AIMessage;
}

async function throughGate(
  services: ModelServices,
  name: string,
  input: JsonValue,
  perform: (model: ChatModel, context: CallContext, tell: (piece: BaseMessage) => void) => Promise<unknown>,
): Promise<unknown> {
  const { head } = currentExecution("model.chat").attempt;
  const model = services.models.get(name);
  if (!model) {
    throw new ModelMissingError(
      `There is no chat model "${name}": the configuration has ${[...services.models.keys()].map((known) => `"${known}"`).join(", ") || "none"}. Add it to models in defineConfig. Nothing was called.`,
      { details: { model: name } },
    );
  }
  let proposal: Proposal | undefined;
  return settleCall("model.chat", {
    kind: "model",
    action: "model.chat",
    resource: name,
    class: "read",
    input,
    judged: true,
    timeoutMs: MODEL_TIMEOUT_MS,
    proposed: (is) => {
      proposal = is;
    },
    perform: async (context) => {
      const live =
        proposal && services.tokens ? liveTokens(head, proposal, services.tokens) : { say: ignore, end: ignore };
      try {
        return await perform(model, context, (piece) => {
          live.say(saidBy(piece));
        });
      } finally {
        live.end();
      }
    },
  });
}

function liveTokens(
  { session, run }: { readonly session: string; readonly run: string },
  { effect, node, name }: Proposal,
  send: SendTokens,
): LiveTokens {
  return new LiveTokens({ session, run, effect, node, name }, send);
}

const ignore = (): void => undefined;

/** Asks a LangChain model, piece by piece where it can. */
async function ask(
  model: BaseChatModel,
  messages: BaseMessage[],
  { tools, ...options }: { readonly tools?: readonly JsonValue[] } & Readonly<Record<string, unknown>>,
  { effectId, signal }: CallContext,
  onPiece: OnPiece,
): Promise<AIMessage> {
  const bound = tools ? withTools(model, tools, options) : model;
  // Outside of whatever LangChain run the node is in: its callbacks hear of this call from the model that
  // the node called, and would hear of everything twice.
  const whole = await AsyncLocalStorageProviderSingleton.runWithConfig(
    {},
    async () => {
      let reply: AIMessageChunk | undefined;
      for await (const piece of await bound.stream(messages, tools ? { signal } : { ...options, signal })) {
        reply = reply === undefined ? piece : concat(reply, piece);
        piece.id = ownId(piece) ?? effectId;
        await onPiece(piece);
      }
      return reply;
    },
    true,
  );
  if (whole === undefined) throw new Error("The model ended without a reply.");
  return recordedReply(whole, effectId);
}

function withTools(model: BaseChatModel, tools: readonly JsonValue[], options: Readonly<Record<string, unknown>>) {
  if (model.bindTools) return model.bindTools(tools as Record<string, JsonValue>[], options);
  throw new InvalidArgumentsError(
    `The model ${model._llmType()} was given tools and has no bindTools. Configure a chat model that can call tools.`,
  );
}

/** The small form knows a system text and a prompt, and nothing of tools or of what was said before. */
async function askSmall(name: string, model: ModelHandle, request: ModelRequest): Promise<BaseMessage> {
  const messages = messagesOf(request);
  const others = messages.filter((message) => !["system", "human"].includes(message.type));
  if (request.tools !== undefined || others.length > 0) {
    throw new InvalidArgumentsError(
      `The model "${name}" takes a system text and a prompt, and was given ${request.tools === undefined ? "a longer conversation" : "tools"}. Configure a LangChain chat model under this name.`,
      { details: { model: name } },
    );
  }
  const { system, prompt } = request;
  const { text, inputTokens, outputTokens } = await model.chat({ ...(system === undefined ? {} : { system }), prompt });
  const usage_metadata =
    inputTokens === undefined || outputTokens === undefined
      ? undefined
      : { input_tokens: inputTokens, output_tokens: outputTokens, total_tokens: inputTokens + outputTokens };
  return new AIMessage({ content: text, ...(usage_metadata ? { usage_metadata } : {}) } as AIMessageFields);
}

/** True for LangChain's chat models, whichever copy of the library they come from. */
export function isLangchainModel(model: ChatModel): model is BaseChatModel {
  return "_modelType" in model && typeof model.invoke === "function";
}
