import { defineAgent, defineTool } from "signalbox";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
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
