import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import type { BaseLanguageModelInput, StructuredOutputMethodOptions } from "@langchain/core/language_models/base";
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BindToolsInput,
} from "@langchain/core/language_models/chat_models";
import type { AIMessage, AIMessageChunk, BaseMessage } from "@langchain/core/messages";
import { OutputParserException } from "@langchain/core/output_parsers";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import { type Runnable, RunnableLambda } from "@langchain/core/runnables";
import { convertToOpenAITool, isLangChainTool } from "@langchain/core/utils/function_calling";
import { toJsonSchema } from "@langchain/core/utils/json_schema";
import { isInteropZodSchema, interopSafeParse, type InteropZodType } from "@langchain/core/utils/types";
import { converse, type ModelServices } from "./model-call.ts";
import { chunkOf, modelRequest } from "./model-messages.ts";

/**
 * What LangChain and LangGraph put among a call's options for themselves: a node's whole config is one. None
 * of it is for the model, and some of it is another in every attempt.
 */
const NOT_FOR_THE_MODEL = new Set([
  ...["signal", "promptIndex", "outputVersion"],
  ...["outputKeys", "streamMode", "store", "writer", "interrupt", "context", "interruptBefore", "interruptAfter"],
  ...["checkpointDuring", "durability", "heartbeat", "executionInfo", "serverInfo", "control"],
  ...["state", "toolCallId", "config"],
]);

/**
 * A configured chat model as LangChain code takes it. Each call passes the gate as a `model.chat` effect:
 * judged, recorded with all that the model is sent, never made in a replay.
 *
 * What a node sees of a stream is the recorded message, in one piece: code that acted on half a reply would
 * take another course when the run is resumed. The pieces go to callbacks and to the live view as they come.
 */
export class GovernedChatModel extends BaseChatModel {
  readonly #model: string;
  readonly #services: ModelServices;

  constructor(model: string, services: ModelServices) {
    super({});
    this.#model = model;
    this.#services = services;
  }

  static override lc_name(): string {
    return "GovernedChatModel";
  }

  override _llmType(): string {
    return "signalbox";
  }

  override bindTools(
    tools: BindToolsInput[],
    kwargs?: Partial<BaseChatModelCallOptions>,
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, BaseChatModelCallOptions> {
    // What is recorded is what the model is told of a tool, not the tool.
    const described = tools.map((tool) => (isLangChainTool(tool) ? convertToOpenAITool(tool) : tool));
    return this.withConfig({ ...kwargs, tools: described } as Partial<BaseChatModelCallOptions>);
  }

  override async _generate(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): Promise<ChatResult> {
    const message = await this.#converse(messages, options, runManager);
    return { generations: [{ text: message.text, message }] };
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const message = await this.#converse(messages, options, runManager);
    yield new ChatGenerationChunk({ text: message.text, message: chunkOf(message) });
  }

  /** Asks for the answer as the arguments of a tool, which every model that calls tools can do. */
  override withStructuredOutput(
    schema: unknown,
    config: StructuredOutputMethodOptions<boolean> = {},
  ): Runnable<BaseLanguageModelInput, never> {
    const zod = isInteropZodSchema(schema) ? schema : undefined;
    const described = (zod ? toJsonSchema(zod) : schema) as {
      readonly name?: unknown;
      readonly title?: unknown;
      readonly description?: unknown;
    };
    const name = config.name ?? firstText(described.name, described.title) ?? "extract";
    const description = firstText(described.description) ?? "Give the answer by calling this.";
    const asked = this.bindTools([{ type: "function", function: { name, description, parameters: described } }], {
      tool_choice: name,
    });
    const parse = RunnableLambda.from((message: AIMessageChunk) =>
      config.includeRaw ? { raw: message, parsed: parsedOrNull(message, name, zod) } : answerOf(message, name, zod),
    );
    return asked.pipe(parse) as unknown as Runnable<BaseLanguageModelInput, never>;
  }

  async #converse(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): Promise<AIMessage> {
    const given = Object.entries(options as Record<string, unknown>).filter(
      ([key, value]) => value !== undefined && !NOT_FOR_THE_MODEL.has(key) && !key.startsWith("ls_"),
    );
    const { signal } = options;
    return converse(this.#services, this.#model, modelRequest(messages, Object.fromEntries(given)), {
      ...(signal ? { signal } : {}),
      onPiece: async (piece) => {
        const chunk = new ChatGenerationChunk({ text: piece.text, message: piece });
        await runManager?.handleLLMNewToken(piece.text, { prompt: 0, completion: 0 }, undefined, undefined, undefined, {
          chunk,
        });
      },
    });
  }
}

function answerOf(message: AIMessageChunk, name: string, schema: InteropZodType | undefined): unknown {
  const call = message.tool_calls?.find((candidate) => candidate.name === name);
  const said = call ? JSON.stringify(call.args) : message.text;
  if (!call) throw new OutputParserException(`The model did not answer by calling ${name}.`, said);
  if (!schema) return call.args;
  const parsed = interopSafeParse(schema, call.args);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.slice(0, 3).map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new OutputParserException(`The model's answer does not fit its schema: ${wrong.join("; ")}`, said);
}

function parsedOrNull(message: AIMessageChunk, name: string, schema: InteropZodType | undefined): unknown {
  try {
    return answerOf(message, name, schema);
  } catch {
    return null;
  }
}

function firstText(...values: readonly unknown[]): string | undefined {
  return values.find((value): value is string => typeof value === "string" && value !== "");
}
