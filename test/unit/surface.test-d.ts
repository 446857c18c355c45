import { FakeListChatModel } from "@langchain/core/utils/testing";
import { createAgent } from "langchain";
import { defineAgent, defineConfig, defineTool, startWorker, type LangchainTool } from "signalbox";
import { Annotation, END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode, toolsCondition } from "@langchain/langgraph/prebuilt";
import { expectTypeOf } from "vitest";
import { z } from "zod";

const lookup = defineTool({
  name: "orders.lookup",
  effect: "read",
  input: z.object({ orderId: z.string() }),
  output: z.object({ paidCents: z.int() }),
  run: ({ orderId }) => ({ paidCents: orderId.length }),
});
const refund = defineTool({
  name: "payments.refund",
  effect: "irreversible",
  input: z.object({ orderId: z.string(), amountCents: z.int().positive() }),
  output: z.object({ receipt: z.string() }),
  run: (input, { effectId, signal }) => {
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
    return { receipt: effectId + input.orderId };
  },
  reconcile: (_input, { effectId }) => (effectId === "" ? undefined : { receipt: effectId }),
});

const State = Annotation.Root({
  orderId: Annotation<string>(),
  amountCents: Annotation<number>(),
  receipt: Annotation<string>(),
});

const assessor = defineAgent({
  name: "assessor",
  state: State,
  input: z.object({ orderId: z.string() }),
  output: z.object({ amountCents: z.int() }),
  graph: () =>
    new StateGraph(State)
      .addNode("a", () => ({ amountCents: 1 }))
      .addEdge(START, "a")
      .addEdge("a", END),
});

defineAgent({
  name: "refunds",
  state: State,
  tools: { lookup, refund },
  agents: { assessor },
  graph: ({ tools, agents }) =>
    new StateGraph(State)
      .addNode("check", async ({ orderId, amountCents }) => {
        const found = await tools.lookup({ orderId });
        expectTypeOf(found).toEqualTypeOf<{ paidCents: number }>();
        const answer = await agents.assessor.ask({ orderId });
        expectTypeOf(answer).toEqualTypeOf<{ amountCents: number }>();
        // @ts-expect-error an assessor is asked with an order id
        await agents.assessor.ask({ order: 5 });
        // @ts-expect-error amountCents is a number
        await tools.refund({ orderId, amountCents: "5" });
        // @ts-expect-error there is no such tool
        await tools.payout({ orderId });
        return { amountCents: Math.min(amountCents, found.paidCents) };
      })
      .addNode("pay", ({ orderId, amountCents }) => tools.refund({ orderId, amountCents }))
      .addEdge(START, "check")
      .addEdge("check", "pay")
      .addEdge("pay", END),
});

const fraud = defineAgent({
  name: "fraud",
  state: State,
  on: ["claims.*.opened", "claims.>"],
  input: z.object({ receipt: z.string() }),
  output: z.object({ score: z.number() }),
  graph: () => new StateGraph(State).addNode("a", () => ({ amountCents: 1 })).addEdge(START, "a"),
});

defineAgent({
  name: "messenger",
  state: State,
  agents: { assessor, fraud },
  graph: ({ agents, askAll, messages }) =>
    new StateGraph(State)
      .addNode("talk", async ({ orderId, receipt }) => {
        const all = await askAll({ assessor: { orderId }, fraud: { receipt } });
        expectTypeOf(all.assessor).toEqualTypeOf<{ amountCents: number }>();
        expectTypeOf(all.fraud).toEqualTypeOf<{ score: number }>();
        const one = await askAll({ assessor: { orderId } });
        expectTypeOf(one).toEqualTypeOf<{ readonly assessor: { amountCents: number } }>();
        const first = await askAll({ assessor: { orderId }, fraud: { receipt } }, { wait: "first" });
        if (first.agent === "fraud") expectTypeOf(first.answer).toEqualTypeOf<{ score: number }>();
        else expectTypeOf(first.answer).toEqualTypeOf<{ amountCents: number }>();
        // @ts-expect-error fraud is asked with a receipt
        await askAll({ fraud: { orderId } });
        await agents.fraud.send({ receipt }, { key: orderId });
        // @ts-expect-error fraud is told a receipt
        await agents.fraud.send({ orderId });
        const message = await messages.receive({ body: z.object({ n: z.number() }) });
        expectTypeOf(message.body).toEqualTypeOf<{ n: number }>();
        const soon = await messages.receive({ from: "fraud", timeoutMs: 5 });
        // @ts-expect-error with a time it may be null
        expectTypeOf(soon.id).toBeString();
        if (soon) await messages.reply(soon, { ok: true });
        return {};
      })
      .addEdge(START, "talk"),
});

// @ts-expect-error an effect class is one of four
defineTool({ name: "a.b", effect: "harmless", input: z.object({}), output: z.object({}), run: () => ({}) });
defineTool({
  name: "a.c",
  effect: "read",
  input: z.object({}),
  output: z.object({ receipt: z.string() }),
  // @ts-expect-error the result does not fit the output schema
  run: () => ({ receipt: 5 }),
});

defineAgent({
  name: "with-a-model",
  state: MessagesAnnotation,
  tools: { lookup },
  agents: { assessor },
  graph: ({ langchain }) => {
    expectTypeOf(langchain.tool).toEqualTypeOf<{ readonly lookup: LangchainTool }>();
    expectTypeOf(langchain.agent).toEqualTypeOf<{ readonly assessor: LangchainTool }>();
    // @ts-expect-error the agent lists no such tool
    expectTypeOf(langchain.tool.refund).toBeAny();
    // As LangGraph and LangChain take them, without a cast.
    const bound = langchain.model("clerk").bindTools([...langchain.tools, ...langchain.agents]);
    const asked = langchain.model("clerk").withStructuredOutput(z.object({ amountCents: z.int() }));
    return new StateGraph(MessagesAnnotation)
      .addNode("agent", async ({ messages }) => {
        const answer = await asked.invoke(messages);
        expectTypeOf(answer).toEqualTypeOf<{ amountCents: number }>();
        return { messages: [await bound.invoke(messages)] };
      })
      .addNode("tools", new ToolNode(langchain.tools))
      .addEdge(START, "agent")
      .addConditionalEdges("agent", toolsCondition, ["tools", END]);
  },
});
const reacting = defineAgent({
  name: "reacting",
  state: MessagesAnnotation,
  tools: { lookup, refund },
  graph: ({ langchain }) => createAgent({ model: langchain.model("clerk"), tools: langchain.tools }).graph.builder,
});

defineConfig({
  agents: [reacting],
  models: { clerk: new FakeListChatModel({ responses: [] }), small: { chat: () => Promise.resolve({ text: "" }) } },
});
// @ts-expect-error a model has a chat function, or is one of LangChain's
defineConfig({ agents: [reacting], models: { clerk: { say: () => "" } } });

await using worker = await startWorker({ config: defineConfig({ agents: [assessor] }), slots: 4 });
const result = await worker.run(assessor, { orderId: "A-17" }, { key: "A-17" });
if (result.status === "finished") expectTypeOf(result.output).toEqualTypeOf<{ amountCents: number }>();
if (result.status === "failed") expectTypeOf(result.error.message).toEqualTypeOf<string>();
if (result.status === "cancelled") expectTypeOf(result.reason).toEqualTypeOf<string>();
const { status, output } = await worker.run(assessor, { orderId: "A-17" });
if (status === "finished") expectTypeOf(output.amountCents).toEqualTypeOf<number>();
// @ts-expect-error an assessor is started with an order id
await worker.run(assessor, { order: 5 });
// @ts-expect-error the same of a start
await worker.start(assessor, { order: 5 });
const byName = await worker.run("assessor", { anything: true });
expectTypeOf(byName.output).toEqualTypeOf<unknown>();
expectTypeOf((await worker.start("assessor", {})).run).toEqualTypeOf<string>();
