import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { startTestPlatform, types, type TestPlatform } from "../../support/platform.ts";
import { rulesFile } from "../../support/rules-file.ts";

const RULES = `
@id("orders") permit (principal, action == Action::"orders.lookup", resource);
@id("refunds") permit (principal, action == Action::"payments.refund", resource);
@id("four-eyes") @effect("require_approval") @approvers("1") @pool("finance") @ttl("PT4H")
@reason("Refunds above 500 need a person from finance.")
forbid (principal, action == Action::"payments.refund", resource)
when { context.input.amountCents > 50000 } unless { context.approval.satisfied };
@id("never") @effect("deny") @reason("Nobody refunds more than 10,000.")
forbid (principal, action == Action::"payments.refund", resource)
when { context.input.amountCents > 1000000 };
`;

let platform: TestPlatform;
const paid: { orderId: string; key: string }[] = [];

const lookup = defineTool({
  name: "orders.lookup",
  effect: "read",
  input: z.object({ orderId: z.string() }),
  output: z.object({ paidCents: z.int() }),
  run: ({ orderId }) => ({ paidCents: Number(orderId) }),
});
const refund = defineTool({
  name: "payments.refund",
  effect: "irreversible",
  input: z.object({ orderId: z.string(), amountCents: z.int().positive() }),
  output: z.object({ receipt: z.string() }),
  run: ({ orderId }, { effectId }) => {
    paid.push({ orderId, key: effectId });
    return { receipt: `r-${orderId}` };
  },
});
const State = Annotation.Root({
  orderId: Annotation<string>(),
  amountCents: Annotation<number>(),
  receipt: Annotation<string>(),
});

async function refunds(rules: string) {
  const agent = defineAgent({
    name: "refunds",
    state: State,
    tools: { lookup, refund },
    rules: await rulesFile(rules),
    graph: ({ tools }) =>
      new StateGraph(State)
        .addNode("check", async ({ orderId, amountCents }) => {
          const found = await tools.lookup({ orderId });
          return { amountCents: Math.min(amountCents, found.paidCents) };
        })
        .addNode("pay", ({ orderId, amountCents }) => tools.refund({ orderId, amountCents }))
        .addEdge(START, "check")
        .addEdge("check", "pay")
        .addEdge("pay", END),
  });
  return defineConfig({ agents: [agent] });
}

beforeAll(async () => {
  platform = await startTestPlatform();
});
afterAll(() => platform[Symbol.asyncDispose]());

describe("a first agent", () => {
  test("a small refund - is looked up, judged, paid and recorded", async () => {
    const config = await refunds(RULES);
    await using worker = await platform.worker(config);
    expect(worker.id).toMatch(/^worker-/);
    const run = await platform.start(config, "refunds", { orderId: "700", amountCents: 900 });
    const events = await platform.reach(run, "finished");
    expect(types(events)).toEqual([
      "run_started",
      "attempt_started",
      "effect_recorded",
      "node_finished",
      "effect_intended",
      "effect_finished",
      "node_finished",
      "run_finished",
    ]);
    expect(events.at(-1)?.data).toEqual({ output: { orderId: "700", amountCents: 700, receipt: "r-700" } });
    expect(paid.filter((payment) => payment.orderId === "700")).toHaveLength(1);
  });

  test("a large refund - is held, shown, approved, and paid once", async () => {
    const config = await refunds(RULES);
    await using _worker = await platform.worker(config);
    const run = await platform.start(config, "refunds", { orderId: "90000", amountCents: 90000 });
    await platform.reach(run, "parked");
    expect(paid.filter((payment) => payment.orderId === "90000")).toHaveLength(0);
    const [approval] = await platform.pending(run);
    if (!approval) throw new Error("Nothing is pending.");
    expect(JSON.parse(approval.input)).toEqual({ orderId: "90000", amountCents: 90000 });
    await platform.decide(approval, "approve");
    const events = await platform.reach(run, "finished");
    expect(types(events)).toEqual([
      "run_started",
      "attempt_started",
      "effect_recorded",
      "node_finished",
      "effect_held",
      "run_parked",
      "attempt_started",
      "approval_decided",
      "effect_intended",
      "effect_finished",
      "node_finished",
      "run_finished",
    ]);
    expect(paid.filter((payment) => payment.orderId === "90000")).toHaveLength(1);
  });

  test("a rejected refund - is never paid, and the run says who and why", async () => {
    const config = await refunds(RULES);
    await using _worker = await platform.worker(config);
    const run = await platform.start(config, "refunds", { orderId: "80000", amountCents: 80000 });
    await platform.reach(run, "parked");
    const [approval] = await platform.pending(run);
    if (!approval) throw new Error("Nothing is pending.");
    await platform.decide(approval, "reject", "The parcel was delivered.");
    const events = await platform.reach(run, "failed");
    expect(events.at(-1)?.data).toMatchObject({ error: { code: "CALL_REFUSED" } });
    expect(JSON.stringify(events.at(-1)?.data)).toContain("olga rejected it: The parcel was delivered.");
    expect(paid.filter((payment) => payment.orderId === "80000")).toHaveLength(0);
  });

  test("a forbidden refund - is refused by name before any tool code runs", async () => {
    const config = await refunds(RULES);
    await using _worker = await platform.worker(config);
    const run = await platform.start(config, "refunds", { orderId: "2000000", amountCents: 2000000 });
    const events = await platform.reach(run, "failed");
    expect(events.find((event) => event.type === "effect_refused")?.data).toMatchObject({
      verdict: { decision: "deny", rules: [{ id: "never" }, { id: "four-eyes" }] },
    });
    expect(paid.filter((payment) => payment.orderId === "2000000")).toHaveLength(0);
  });

  test("without rules - everything is denied", async () => {
    const config = await refunds("");
    await using _worker = await platform.worker(config);
    const run = await platform.start(config, "refunds", { orderId: "5", amountCents: 5 });
    const events = await platform.reach(run, "failed");
    expect(types(events)).toEqual(["run_started", "attempt_started", "effect_refused", "node_failed", "run_failed"]);
  });
});
