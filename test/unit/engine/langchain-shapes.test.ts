import { HumanMessage } from "@langchain/core/messages";
import { MessagesAnnotation } from "@langchain/langgraph";
import { defineAgent } from "signalbox";
import { describe, expect, test } from "vitest";
import type { EventData, JournalEvent } from "../../../runtime/core/events.ts";
import { HELD, TestEngine } from "../../support/engine.ts";
import { PlanState, planAndExecute } from "../../support/langgraph/plan-and-execute.ts";
import { supervisor } from "../../support/langgraph/supervisor.ts";
import { lines, messagesOf, shop } from "../../support/langchain.ts";
import { asksFor, ScriptedModel, type Script } from "../../support/scripted-model.ts";

function modelCalls(events: readonly JournalEvent[]): EventData<"effect_recorded">[] {
  return events.flatMap((event) =>
    event.type === "effect_recorded" && event.data.kind === "model" ? [event.data] : [],
  );
}

describe("shapes of LangGraph's examples", () => {
  test("plan and execute - runs to its answer, and a resumed run asks the model nothing twice", async () => {
    const script: Script = ({ messages, options }) => {
      const text = messages.at(-1)?.text ?? "";
      if (options["tool_choice"] === "plan") return asksFor(["plan", { steps: ["look", "pay"] }, "p"]);
      if (options["tool_choice"] === "next") {
        const answer = text.includes("Did Do: pay") ? "All paid." : null;
        return asksFor(["next", { answer, steps: ["pay"] }, "n"]);
      }
      return `Did ${text}`;
    };
    const start = async (): Promise<{
      engine: TestEngine;
      model: ScriptedModel;
      run: string;
      compiled: ReturnType<TestEngine["compile"]>;
    }> => {
      const model = new ScriptedModel(script);
      const engine = new TestEngine({ handles: { models: new Map([["planner", model]]) } });
      const agent = defineAgent({
        name: "planner",
        state: PlanState,
        graph: ({ langchain }) => planAndExecute(langchain.model("planner")),
      });
      return {
        engine,
        model,
        run: await engine.create(agent, { input: "Refund o-1." }),
        compiled: engine.compile(agent),
      };
    };
    const whole = await start();
    expect(await whole.engine.runOn(whole.compiled, whole.run)).toBe("finished");
    const events = await whole.engine.events(whole.run);
    expect(events.at(-1)?.data).toMatchObject({
      output: {
        answer: "All paid.",
        done: [
          ["look", "Did Do: look"],
          ["pay", "Did Do: pay"],
        ],
      },
    });
    expect(whole.model.calls).toHaveLength(5);
    for (let at = 1; at < events.length; at += 3) {
      const { engine, model, run, compiled } = await start();
      let left = at;
      engine.memory.cut = () => left-- === 1;
      expect(await engine.attempt(compiled, run)).toBe("cut");
      const recorded = modelCalls(await engine.events(run)).length;
      const before = model.calls.length;
      expect(await engine.runOn(compiled, run)).toBe("finished");
      expect(model.calls.length - before).toBe(5 - recorded);
    }
  }, 60_000);

  test("a supervisor with handover tools - hands over by Command, and its specialists' calls pass the gate", async () => {
    const boss: Script = ({ nth }) =>
      nth === 0
        ? asksFor(["hand_over_to_orders", {}, "h1"])
        : nth === 1
          ? asksFor(["hand_over_to_refunds", {}, "h2"])
          : "All done.";
    const specialist: Script = ({ nth }) =>
      nth === 0
        ? asksFor(["orders_lookup", { orderId: "o-1" }, "s1"])
        : asksFor(["payments_refund", { orderId: "o-1", amountCents: 500 }, "s2"]);
    const { called, ...tools } = shop();
    const models = new Map([
      ["boss", new ScriptedModel(boss)],
      ["specialist", new ScriptedModel(specialist)],
    ]);
    const engine = new TestEngine({
      handles: { models },
      say: ({ action, approval }) => (action === "payments.refund" && !approval.satisfied ? HELD : undefined),
    });
    const agent = defineAgent({
      name: "team",
      state: MessagesAnnotation,
      tools,
      graph: ({ langchain }) =>
        supervisor(langchain.model("boss"), langchain.model("specialist"), {
          orders: langchain.tool.lookup,
          refunds: langchain.tool.refund,
        }),
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, { messages: [new HumanMessage("Refund o-1.")] });
    expect(await engine.runOn(compiled, run)).toBe("parked");
    await engine.decide(run, (await engine.held(run))[0], "approve");
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(lines(messagesOf(await engine.events(run)))).toEqual([
      "human: Refund o-1.",
      "ai: hand_over_to_orders({})",
      "tool: Handed over to orders.",
      'ai: orders_lookup({"orderId":"o-1"})',
      'tool: {"paidCents":500}',
      "ai: hand_over_to_refunds({})",
      "tool: Handed over to refunds.",
      'ai: payments_refund({"amountCents":500,"orderId":"o-1"})',
      'tool: {"receipt":"r-o-1-1"}',
      "ai: All done.",
    ]);
    expect(called).toEqual(["lookup o-1", "refund o-1 500"]);
    expect([...models.values()].map(({ calls }) => calls.length)).toEqual([3, 2]);
  });
});
