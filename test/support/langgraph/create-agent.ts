import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { StructuredToolInterface } from "@langchain/core/tools";
import { createAgent } from "langchain";

/** LangChain's agent: the newer form of the same loop. */
export function langchainAgent(model: BaseChatModel, tools: StructuredToolInterface[]) {
  return createAgent({ model, tools, systemPrompt: "You look after orders." }).graph;
}
