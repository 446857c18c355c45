import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { ToolMessage } from "@langchain/core/messages";
import { tool, type StructuredToolInterface, type ToolRuntime } from "@langchain/core/tools";
import { Command, END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode, toolsCondition } from "@langchain/langgraph/prebuilt";
import { z } from "zod";

/** A tool that hands the conversation over to another node: it gives a Command instead of a result. */
function handOver(to: string) {
  return tool(
    (_input: object, { toolCallId }: ToolRuntime) =>
      new Command({
        goto: to,
        update: { messages: [new ToolMessage({ content: `Handed over to ${to}.`, tool_call_id: toolCallId })] },
      }),
    { name: `hand_over_to_${to}`, description: `Hands over to ${to}.`, schema: z.object({}) },
  );
}

/** A supervisor that hands over to one of two specialists; each has tools and reports back. */
export function supervisor(
  boss: BaseChatModel,
  specialist: BaseChatModel,
  tools: { readonly orders: StructuredToolInterface; readonly refunds: StructuredToolInterface },
) {
  const handovers = [handOver("orders"), handOver("refunds")];
  const supervising = boss.bindTools?.(handovers);
  if (!supervising) throw new Error("The model cannot call tools.");
  const specialistNode = (tool: StructuredToolInterface) => async (state: typeof MessagesAnnotation.State) => {
    const asked = await specialist.bindTools?.([tool]).invoke(state.messages);
    if (!asked) throw new Error("The model cannot call tools.");
    const done = (await new ToolNode([tool]).invoke({ messages: [asked] })) as typeof MessagesAnnotation.State;
    return new Command({ goto: "supervisor", update: { messages: [asked, ...done.messages] } });
  };
  return new StateGraph(MessagesAnnotation)
    .addNode("supervisor", async ({ messages }) => ({ messages: [await supervising.invoke(messages)] }))
    .addNode("tools", new ToolNode(handovers), { ends: ["orders", "refunds"] })
    .addNode("orders", specialistNode(tools.orders), { ends: ["supervisor"] })
    .addNode("refunds", specialistNode(tools.refunds), { ends: ["supervisor"] })
    .addEdge(START, "supervisor")
    .addConditionalEdges("supervisor", toolsCondition, ["tools", END]);
}
