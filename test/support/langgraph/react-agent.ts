import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { StructuredToolInterface } from "@langchain/core/tools";
import { createReactAgent } from "@langchain/langgraph/prebuilt";

/** LangGraph's prebuilt ReAct agent: a model and its tools, in turns until the model asks for none. */
export function reactAgent(llm: BaseChatModel, tools: StructuredToolInterface[], version: "v1" | "v2" = "v2") {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- LangGraph still has it, and its users do
  return createReactAgent({ llm, tools, prompt: "You look after orders.", version });
}
