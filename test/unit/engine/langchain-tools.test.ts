import { randomUUID } from "node:crypto";
import { HumanMessage, type BaseMessage, type ToolMessage } from "@langchain/core/messages";
import { Annotation, END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { createAgent, createMiddleware } from "langchain";
import { defineAgent, defineTool, type AnyAgent, type AnyTool, type Handles } from "signalbox";
import { z } from "zod";
import { describe, expect, test } from "vitest";
import { encode } from "../../../runtime/engine/codec.ts";
import { memoryRun } from "../../support/memory-journal.ts";
import { DENIED, HELD, TestEngine, typesOf, type Say } from "../../support/engine.ts";
import { lines, messagesOf, shop, shopAgent } from "../../support/langchain.ts";
import { langchainAgent } from "../../support/langgraph/create-agent.ts";
import { reactAgent } from "../../support/langgraph/react-agent.ts";
import { toolNodeGraph } from "../../support/langgraph/tool-node.ts";
import { oneNode } from "../../support/one-node.ts";
import { asksFor, ScriptedModel, type Script } from "../../support/scripted-model.ts";

type AnyHandles = Handles<Record<string, AnyTool>, Record<string, AnyAgent>>;

const INPUT = { messages: [new HumanMessage("Refund o-1, please.")] };

const SHAPES = [
  ["langchain's createAgent", (parts) => langchainAgent(parts.model, parts.tools).builder],
  ["createReactAgent v2", (parts) => reactAgent(parts.model, parts.tools).builder],
  ["createReactAgent v1", (parts) => reactAgent(parts.model, parts.tools, "v1").builder],
  ["ToolNode with toolsCondition", (parts) => toolNodeGraph(parts.model, parts.tools)],
] as const satisfies readonly (readonly [string, Parameters<typeof shopAgent>[0]])[];

const lookThenRefund: Script = ({ nth }) => {
  if (nth === 0) return asksFor(["orders_lookup", { orderId: "o-1" }, "c1"]);
  if (nth === 1) return asksFor(["payments_refund", { orderId: "o-1", amountCents: 500 }, "c2"]);
  return "Done.";
};
const holdRefund: Say = (call) => (call.action === "payments.refund" && !call.approval.satisfied ? HELD : undefined);

describe.each(SHAPES)("%s", (_name, graph) => {
  test("its tools are called through the gate, and it ends with what the model says", async () => {
    const { engine, agent, compiled, called } = shopAgent(graph, lookThenRefund);
    const run = await engine.create(agent, INPUT);
    expect(await engine.runOn(compiled, run)).toBe("finished");
    const events = await engine.events(run);
    expect(lines(messagesOf(events))).toEqual([
      "human: Refund o-1, please.",
      'ai: orders_lookup({"orderId":"o-1"})',
      'tool: {"paidCents":500}',
      'ai: payments_refund({"amountCents":500,"orderId":"o-1"})',
      'tool: {"receipt":"r-o-1-1"}',
      "ai: Done.",
    ]);
    expect(called).toEqual(["lookup o-1", "refund o-1 500"]);
    const intended = events.flatMap((event) => (event.type === "effect_intended" ? [event.data] : []));
    expect(intended).toMatchObject([
      { name: "payments.refund", kind: "tool", class: "irreversible", input: { orderId: "o-1", amountCents: 500 } },
    ]);
  });

  test("a call that a rule holds - the run waits, and goes on with the same conversation once it is approved", async () => {
    const { engine, agent, compiled, called, model } = shopAgent(graph, lookThenRefund, { say: holdRefund });
    const run = await engine.create(agent, INPUT);
    expect(await engine.runOn(compiled, run)).toBe("parked");
    expect(called).toEqual(["lookup o-1"]);
    // A wake for nothing asks the model nothing.
    expect(await engine.runOn(compiled, run)).toBe("parked");
    expect(model.calls).toHaveLength(2);
    await engine.decide(run, (await engine.held(run))[0], "approve");
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(called).toEqual(["lookup o-1", "refund o-1 500"]);
    expect(lines(messagesOf(await engine.events(run))).slice(-2)).toEqual(['tool: {"receipt":"r-o-1-1"}', "ai: Done."]);
    expect(model.calls).toHaveLength(3);
  });

  test("people reject a call - the model is told who and why, and goes on", async () => {
    const { engine, agent, compiled, called, model } = shopAgent(graph, lookThenRefund, { say: holdRefund });
    const run = await engine.create(agent, INPUT);
    await engine.runOn(compiled, run);
    await engine.decide(run, (await engine.held(run))[0], "reject");
    expect(await engine.runOn(compiled, run)).toBe("finished");
    const told = "The call of payments.refund was refused: olga rejected it: Because. Nothing was called.";
    expect(lines(messagesOf(await engine.events(run))).slice(-2)).toEqual([`tool: ! ${told}`, "ai: Done."]);
    expect(model.calls[2]?.messages.at(-1)?.text).toBe(told);
    expect(called).toEqual(["lookup o-1"]);
  });

  test("a rule refuses a call - the model is told the reason, and goes on", async () => {
    const say: Say = ({ action }) => (action === "payments.refund" ? DENIED : undefined);
    const { engine, agent, compiled, called } = shopAgent(graph, lookThenRefund, { say });
    const run = await engine.create(agent, INPUT);
    expect(await engine.runOn(compiled, run)).toBe("finished");
    const told = "The call of payments.refund was refused: The test denies it. Nothing was called.";
    expect(lines(messagesOf(await engine.events(run))).slice(-2)).toEqual([`tool: ! ${told}`, "ai: Done."]);
    expect(called).toEqual(["lookup o-1"]);
  });

  test("arguments that do not fit the schema - the model is told, and nothing is called or recorded", async () => {
    const script: Script = ({ nth }) =>
      nth === 0 ? asksFor(["payments_refund", { orderId: "o-1", amountCents: "a lot" }, "c1"]) : "Sorry.";
    const { engine, agent, compiled, called } = shopAgent(graph, script);
    const run = await engine.create(agent, INPUT);
    expect(await engine.runOn(compiled, run)).toBe("finished");
    const events = await engine.events(run);
    const [said, answer] = messagesOf(events).slice(-2);
    expect(lines([said as BaseMessage])[0]).toMatch(/^tool: ! .*amountCents/s);
    expect(answer?.text).toBe("Sorry.");
    expect(called).toEqual([]);
    expect(typesOf(events).filter((type) => type === "effect_intended")).toEqual([]);
  });

  test("two calls with the same arguments in one message - two effects, each answered under its own id, in order", async () => {
    const args = { orderId: "o-1", amountCents: 5 };
    const script: Script = ({ nth }) =>
      nth === 0 ? asksFor(["payments_refund", args, "first"], ["payments_refund", args, "second"]) : "Done.";
    const { engine, agent, compiled, called } = shopAgent(graph, script);
    const run = await engine.create(agent, INPUT);
    expect(await engine.runOn(compiled, run)).toBe("finished");
    const events = await engine.events(run);
    const effects = events.flatMap((event) => (event.type === "effect_intended" ? [event.data.effect] : []));
    expect(new Set(effects).size).toBe(2);
    expect(called).toEqual(["refund o-1 5", "refund o-1 5"]);
    const answers = messagesOf(events).filter((message): message is ToolMessage => message.type === "tool");
    expect(answers.map(({ tool_call_id, text }) => [tool_call_id, text])).toEqual([
      ["first", '{"receipt":"r-o-1-1"}'],
      ["second", '{"receipt":"r-o-1-2"}'],
    ]);
  });

  test.each([
    [["approve", "reject"], ["refund o-1 1"]],
    [["reject", "approve"], ["refund o-2 2"]],
  ] as const)(
    "two held calls in one message, decided %s - the approved one is kept, the model hears of both",
    async (decisions, expected) => {
      const script: Script = ({ nth }) =>
        nth === 0
          ? asksFor(
              ["payments_refund", { orderId: "o-1", amountCents: 1 }, "c1"],
              ["payments_refund", { orderId: "o-2", amountCents: 2 }, "c2"],
            )
          : "Done.";
      const { engine, agent, compiled, called } = shopAgent(graph, script, { say: holdRefund });
      const run = await engine.create(agent, INPUT);
      expect(await engine.runOn(compiled, run)).toBe("parked");
      const held = await engine.held(run);
      expect(held.map(({ input }) => (input as { orderId: string }).orderId)).toEqual(["o-1", "o-2"]);
      await engine.decide(run, held[1], decisions[1]);
      expect(await engine.runOn(compiled, run)).toBe("parked");
      await engine.decide(run, held[0], decisions[0]);
      expect(await engine.runOn(compiled, run)).toBe("finished");
      expect(called).toEqual(expected);
      const answers = messagesOf(await engine.events(run)).filter(
        (message): message is ToolMessage => message.type === "tool",
      );
      expect(answers.map(({ status }) => status)).toEqual(
        decisions.map((decision) => (decision === "approve" ? "success" : "error")),
      );
    },
  );

  test("cut at every append and resumed - no recorded call is made again, and the conversation is the same, ids too", async () => {
    const script: Script = ({ messages }) => {
      const answered = messages.filter((message) => message.type === "tool").length;
      if (answered === 0) {
        return asksFor(["orders_lookup", { orderId: "o-1" }, "a"], ["orders_lookup", { orderId: "o-2" }, "b"]);
      }
      return answered === 2 ? asksFor(["payments_refund", { orderId: "o-1", amountCents: 500 }, "c"]) : "Done.";
    };
    const id = randomUUID();
    const start = async () => {
      const started = shopAgent(graph, script);
      await started.engine.journal.create(memoryRun("clerk", encode(INPUT), { run: id, session: id }));
      return started;
    };
    const whole = await start();
    expect(await whole.engine.runOn(whole.compiled, id)).toBe("finished");
    const appends = (await whole.engine.events(id)).length;
    const expected = messagesOf(await whole.engine.events(id)).map((message) => message.toDict());
    for (let at = 1; at < appends; at++) {
      const { engine, compiled, called, model } = await start();
      let left = at;
      engine.memory.cut = () => left-- === 1;
      expect(await engine.attempt(compiled, id)).toBe("cut");
      const recorded = { model: 0, tool: 0 };
      for (const { type, data } of await engine.events(id)) {
        if (type === "effect_recorded") recorded[data.kind === "model" ? "model" : "tool"]++;
      }
      const before = { model: model.calls.length, tool: lookups(called) };
      expect(await engine.runOn(compiled, id)).toBe("finished");
      const made = { model: model.calls.length - before.model, tool: lookups(called) - before.tool };
      expect(made).toEqual({ model: 3 - recorded.model, tool: 2 - recorded.tool });
      expect(called.filter((call) => call.startsWith("refund"))).toHaveLength(1);
      expect(messagesOf(await engine.events(id)).map((message) => message.toDict())).toEqual(expected);
    }
  }, 60_000);
});

test("createAgent with a middleware around tool calls - tells the model of refusals and misfits all the same", async () => {
  const script: Script = ({ nth }) =>
    nth === 0
      ? asksFor(
          ["payments_refund", { orderId: "o-1", amountCents: "a lot" }, "c1"],
          ["payments_refund", { orderId: "o-1", amountCents: 1 }, "c2"],
        )
      : "Sorry.";
  const around = createMiddleware({ name: "around", wrapToolCall: (request, handler) => handler(request) });
  const { engine, agent, compiled, called } = shopAgent(
    ({ model, tools }) => createAgent({ model, tools, middleware: [around] }).graph.builder,
    script,
    { say: ({ action }) => (action === "payments.refund" ? DENIED : undefined) },
  );
  const run = await engine.create(agent, INPUT);
  expect(await engine.runOn(compiled, run)).toBe("finished");
  expect(lines(messagesOf(await engine.events(run))).slice(2)).toEqual([
    expect.stringMatching(/^tool: ! .*amountCents/s),
    expect.stringMatching(/^tool: ! .*The test denies it/s),
    "ai: Sorry.",
  ]);
  expect(called).toEqual([]);
});

describe("an agent used as a tool", () => {
  const State = Annotation.Root({ orderId: Annotation<string>(), verdict: Annotation<string>() });
  const assessor = defineAgent({
    name: "fraud-assessor",
    description: "Says whether an order looks like fraud.",
    state: State,
    input: z.object({ orderId: z.string() }),
    output: z.object({ verdict: z.string() }),
    graph: () =>
      new StateGraph(State)
        .addNode("judge", () => ({ verdict: "fine" }))
        .addEdge(START, "judge")
        .addEdge("judge", END),
  });

  function clerk(script: Script) {
    const model = new ScriptedModel(script);
    const engine = new TestEngine({ handles: { models: new Map([["clerk", model]]) } });
    const agent = defineAgent({
      name: "clerk",
      state: MessagesAnnotation,
      agents: { assessor },
      graph: ({ langchain }) => reactAgent(langchain.model("clerk"), langchain.agents).builder,
    });
    return { model, engine, agent, compiled: engine.compile(agent) };
  }

  test("its wait shows once, and its answer comes back as the tool's", async () => {
    const { engine, agent, compiled, model } = clerk(({ nth }) =>
      nth === 0 ? asksFor(["fraud-assessor", { orderId: "o-1" }, "c1"]) : "It is fine.",
    );
    const run = await engine.create(agent, INPUT);
    expect(await engine.runOn(compiled, run)).toBe("parked");
    expect(await engine.runOn(compiled, run)).toBe("parked");
    const events = await engine.events(run);
    const parked = events.flatMap((event) => (event.type === "run_parked" ? [event.data.waits] : []));
    expect(parked).toHaveLength(2);
    expect(parked.map((waits) => waits.map(({ kind }) => kind))).toEqual([["answer"], ["answer"]]);
    expect(typesOf(events).filter((type) => type === "message_sent")).toHaveLength(1);
    const [wait] = parked[0] ?? [];
    if (wait?.kind !== "answer") throw new Error("It waits for nothing.");
    await engine.journal.deliver(run, {
      id: "answer",
      kind: "answer",
      data: {
        effect: wait.effect,
        outcome: { ok: true, value: { verdict: "fine" } },
        child: { run: wait.run, seq: 1, hash: "0" },
      },
    });
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(lines(messagesOf(await engine.events(run))).slice(1)).toEqual([
      'ai: fraud-assessor({"orderId":"o-1"})',
      'tool: {"verdict":"fine"}',
      "ai: It is fine.",
    ]);
    expect(model.calls).toHaveLength(2);
    // The model is told what the agent takes.
    expect(model.calls[0]?.options.tools).toMatchObject([
      {
        function: {
          name: "fraud-assessor",
          description: "Says whether an order looks like fraud.",
          parameters: { properties: { orderId: { type: "string" } } },
        },
      },
    ]);
  });

  test("asked for something that does not fit its input - the model is told, and nobody is asked", async () => {
    const { engine, agent, compiled } = clerk(({ nth }) =>
      nth === 0 ? asksFor(["fraud-assessor", { order: 1 }, "c1"]) : "Sorry.",
    );
    const run = await engine.create(agent, INPUT);
    expect(await engine.runOn(compiled, run)).toBe("finished");
    const events = await engine.events(run);
    expect(lines(messagesOf(events))[2]).toMatch(/^tool: ! .*orderId/s);
    expect(typesOf(events)).not.toContain("message_sent");
  });
});

describe("names for models", () => {
  const io = z.object({});
  const named = (name: string) => defineTool({ name, effect: "read", input: io, output: io, run: () => ({}) });
  const compile = (tools: Record<string, AnyTool>, used = true) =>
    new TestEngine().compile(
      oneNodeWith(tools, (handles) => {
        if (used) expect(handles.langchain.tools.length).toBeGreaterThan(0);
      }),
    );

  test("two tools that a model would know by one name - are refused, naming both, where tools are handed to models", () => {
    const tools = { a: named("pay.out_now"), b: named("pay.out.now") };
    expect(() => compile(tools)).toThrow(
      expect.objectContaining({
        code: "MODEL_TOOL_NAME",
        message: expect.stringContaining('"pay.out.now"') as unknown,
      }),
    );
    expect(() => compile(tools, false)).not.toThrow();
  });

  test("a name that is too long for models - is refused", () => {
    expect(() => compile({ a: named(`a.${"b".repeat(70)}`) })).toThrow(
      expect.objectContaining({ code: "MODEL_TOOL_NAME" }),
    );
  });

  test("a tool by the name under which the agent lists it - is the one, with its schema", () => {
    const tool = named("a.b");
    new TestEngine().compile(
      oneNodeWith({ mine: tool }, ({ langchain }) => {
        expect(langchain.tool["mine"]).toMatchObject({ name: "a_b", schema: tool.input });
      }),
    );
  });
});

describe("a tool that the node's own code invokes", () => {
  test("gives the result as it is, and throws what the handle throws", async () => {
    const { called, ...tools } = shop();
    const say: Say = ({ action }) => (action === "payments.refund" ? DENIED : undefined);
    const engine = new TestEngine({ say });
    const agent = oneNode(tools, async ({ langchain }) => {
      const found: unknown = await langchain.tool.lookup.invoke({ orderId: "o-1" });
      const refused: unknown = await langchain.tool.refund
        .invoke({ orderId: "o-1", amountCents: 1 })
        .catch((error: unknown) => (error as { code: string }).code);
      const wrong: unknown = await langchain.tool.refund
        .invoke({ orderId: "o-1" })
        .catch((error: unknown) => (error as { code: string }).code);
      return [found, refused, wrong];
    });
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("finished");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({
      output: { output: [{ paidCents: 500 }, "CALL_REFUSED", "INVALID_ARGUMENTS"] },
    });
    expect(called).toEqual(["lookup o-1"]);
  });
});

/** An agent whose graph function looks at its handles. */
function oneNodeWith(tools: Record<string, AnyTool>, look: (handles: AnyHandles) => void) {
  return defineAgent({
    name: "looks",
    state: MessagesAnnotation,
    tools,
    graph: (handles) => {
      look(handles);
      return new StateGraph(MessagesAnnotation)
        .addNode("a", () => ({}))
        .addEdge(START, "a")
        .addEdge("a", END);
    },
  });
}

function lookups(called: readonly string[]): number {
  return called.filter((call) => call.startsWith("lookup")).length;
}
