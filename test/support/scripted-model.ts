import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BindToolsInput,
} from "@langchain/core/language_models/chat_models";
import {
  AIMessage,
  AIMessageChunk,
  type AIMessageChunkFields,
  type AIMessageFields,
  type BaseMessage,
  type ToolCall,
  type UsageMetadata,
} from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import type { JsonValue } from "../../runtime/core/json.ts";

interface Options extends BaseChatModelCallOptions {
  tools?: readonly BindToolsInput[];
}

/** What the script sees of a call: LangChain's parsed options beside the messages. */
export interface ScriptedCall {
  readonly messages: readonly BaseMessage[];
  readonly options: Options & Readonly<Record<string, unknown>>;
  /** How many calls came before. */
  readonly nth: number;
}

export interface ScriptedReply {
  readonly content: string;
  readonly tool_calls?: ToolCall[];
  readonly usage_metadata?: UsageMetadata;
  /** As a provider would give it. */
  readonly id?: string;
}

export type Script = (call: ScriptedCall) => ScriptedReply | string | Promise<ScriptedReply | string>;

/** A LangChain chat model that says what a test wants it to say, word by word, and remembers what it was asked. */
export class ScriptedModel extends BaseChatModel<Options> {
  readonly calls: ScriptedCall[] = [];
  readonly #script: Script;
  /** Waited for after each piece. */
  between: () => Promise<void> = () => Promise.resolve();

  constructor(script: Script) {
    super({});
    this.#script = script;
  }

  override _llmType(): string {
    return "scripted";
  }

  override bindTools(tools: BindToolsInput[], kwargs?: Partial<Options>) {
    return this.withConfig({ ...kwargs, tools });
  }

  override async _generate(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<ChatResult> {
    const message = await this.#answer(messages, options);
    return { generations: [{ text: message.text, message }] };
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const { text, tool_calls, id, ...rest } = await this.#answer(messages, options);
    const usage_metadata = rest.usage_metadata as UsageMetadata | undefined;
    const pieces = text.match(/\S+\s*|\s+/g) ?? [];
    for (const piece of pieces) {
      const chunk = new AIMessageChunk({ content: piece, ...(id === undefined ? {} : { id }) });
      yield new ChatGenerationChunk({ text: piece, message: chunk });
      await runManager?.handleLLMNewToken(piece);
      await this.between();
    }
    const tool_call_chunks = (tool_calls ?? []).map((call, index) => ({
      type: "tool_call_chunk" as const,
      index,
      name: call.name,
      args: JSON.stringify(call.args),
      ...(call.id === undefined ? {} : { id: call.id }),
    }));
    const fields = { content: "", tool_call_chunks, ...(usage_metadata ? { usage_metadata } : {}) };
    const last = new AIMessageChunk(fields as AIMessageChunkFields);
    yield new ChatGenerationChunk({ text: "", message: last });
  }

  async #answer(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<AIMessage> {
    const call: ScriptedCall = { messages, options: options, nth: this.calls.length };
    this.calls.push(call);
    const said = await this.#script(call);
    return new AIMessage((typeof said === "string" ? { content: said } : said) as AIMessageFields);
  }
}

/** A reply that asks for tools: each with its name, arguments and the id that the answer is to carry. */
export function asksFor(
  ...calls: readonly (readonly [name: string, args: Record<string, JsonValue>, id: string])[]
): ScriptedReply {
  return { content: "", tool_calls: calls.map(([name, args, id]) => ({ name, args, id, type: "tool_call" as const })) };
}
