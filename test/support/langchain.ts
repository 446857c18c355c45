import { BaseMessage } from "@langchain/core/messages";
import { MessagesAnnotation } from "@langchain/langgraph";
import { defineAgent, defineTool, type LangchainModel, type LangchainTool } from "signalbox";
import { z } from "zod";
import type { GraphBuilder } from "../../agents/define-agent.ts";
import type { JournalEvent } from "../../runtime/core/events.ts";
import { decode } from "../../runtime/engine/codec.ts";
import { TestEngine, type EngineOptions } from "./engine.ts";
import { ScriptedModel, type Script } from "./scripted-model.ts";

/** A shop's tools, noting each call. */
export function shop() {
  const called: string[] = [];
  const receipts = new Map<string, { receipt: string }>();
  return {
    called,
    lookup: defineTool({
      name: "orders.lookup",
      description: "Looks an order up.",
      effect: "read",
      input: z.object({ orderId: z.string() }),
      output: z.object({ paidCents: z.int() }),
      run: ({ orderId }) => {
        called.push(`lookup ${orderId}`);
        return { paidCents: 500 };
      },
    }),
    refund: defineTool({
      name: "payments.refund",
      description: "Pays money back.",
      effect: "irreversible",
      input: z.object({ orderId: z.string(), amountCents: z.int().positive() }),
      output: z.object({ receipt: z.string() }),
      run: ({ orderId, amountCents }, { effectId }) => {
        called.push(`refund ${orderId} ${String(amountCents)}`);
        const receipt = { receipt: `r-${orderId}-${String(receipts.size + 1)}` };
        receipts.set(effectId, receipt);
        return receipt;
      },
      reconcile: (_input, { effectId }) => receipts.get(effectId),
    }),
  };
}

type MakeGraph = (parts: { readonly model: LangchainModel; readonly tools: LangchainTool[] }) => GraphBuilder;

/** An agent over messages with the shop's tools, a model that follows a script, and an engine that has it. */
export function shopAgent(makeGraph: MakeGraph, script: Script, options: EngineOptions = {}) {
  const { called, ...tools } = shop();
  const model = new ScriptedModel(script);
  const engine = new TestEngine({ ...options, handles: { models: new Map([["clerk", model]]), ...options.handles } });
  const agent = defineAgent({
    name: "clerk",
    state: MessagesAnnotation,
    tools,
    graph: ({ langchain }) => makeGraph({ model: langchain.model("clerk"), tools: langchain.tools }),
  });
  return { called, model, engine, agent, compiled: engine.compile(agent) };
}

/** The messages that a run ended with. */
export function messagesOf(events: readonly JournalEvent[]): BaseMessage[] {
  const last = events.at(-1);
  if (last?.type !== "run_finished") throw new Error(`The run ended with ${JSON.stringify(last?.data ?? null)}`);
  return (decode(last.data.output) as { messages: BaseMessage[] }).messages;
}

/** A conversation as one line each: who, and what. */
export function lines(messages: readonly BaseMessage[]): string[] {
  return messages.map((message) => {
    const calls = "tool_calls" in message ? (message.tool_calls as { name: string; args: unknown }[]) : [];
    const asked = calls.map(({ name, args }) => `${name}(${JSON.stringify(args)})`).join();
    const failed = "status" in message && message.status === "error" ? "! " : "";
    return `${message.type}: ${failed}${message.text}${asked}`;
  });
}
