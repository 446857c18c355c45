import { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import { HumanMessage } from "@langchain/core/messages";
import { FakeListChatModel } from "@langchain/core/utils/testing";
import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import {
  CallFailedError,
  type AnyAgent,
  type AnyTool,
  type ChatModel,
  type Handles,
  type LangchainModel,
  type LangchainTool,
} from "signalbox";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { EventData, JournalEvent } from "../../../runtime/core/events.ts";
import type { JsonObject } from "../../../runtime/core/json.ts";
import { DENIED, HELD, TestEngine, type EngineOptions } from "../../support/engine.ts";
import { lines, shop, shopAgent } from "../../support/langchain.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";
import { asksFor, ScriptedModel, type Script } from "../../support/scripted-model.ts";

type AnyHandles = Handles<Record<string, AnyTool>, Record<string, AnyAgent>>;

/** A graph of one node that asks the model once, with tools and options. */
function boundGraph(model: LangchainModel, tools: LangchainTool[]) {
  const bound = model
    .bindTools(tools, { tool_choice: "any" })
    .withConfig({ stop: ["END"], temperature: 0.5 } as object);
  return new StateGraph(MessagesAnnotation)
    .addNode("agent", async ({ messages }) => ({ messages: [await bound.invoke(messages)] }))
    .addEdge(START, "agent")
    .addEdge("agent", END);
}

/** One node with a model "clerk": what the body returns is the run's output. */
async function inOneNode(
  model: ChatModel,
  body: (handles: AnyHandles, input: unknown) => unknown,
  options: EngineOptions = {},
) {
  const engine = new TestEngine({ ...options, handles: { models: new Map([["clerk", model]]), ...options.handles } });
  const agent = oneNode({}, (handles, input) => body(handles as AnyHandles, input));
  const compiled = engine.compile(agent);
  const run = await engine.create(agent, {});
  const status = await engine.runOn(compiled, run);
  return { engine, compiled, run, status, events: await engine.events(run) };
}

function output(events: readonly JournalEvent[]): unknown {
  const last = events.at(-1);
  if (last?.type === "run_finished") return (last.data.output as JsonObject)["output"];
  return last?.type === "run_failed" ? last.data.error : last?.type;
}

function modelCalls(events: readonly JournalEvent[]): EventData<"effect_recorded">[] {
  return events.flatMap((event) =>
    event.type === "effect_recorded" && event.data.kind === "model" ? [event.data] : [],
  );
}

describe("a LangChain model of the configuration", () => {
  test("invoke - is a judged and recorded read of the model, with all its messages in plain JSON", async () => {
    const model = new ScriptedModel(() => ({
      content: "Hello Ada.",
      usage_metadata: { input_tokens: 7, output_tokens: 3, total_tokens: 10 },
    }));
    const { events } = await inOneNode(model, async ({ langchain }) => {
      const reply = await langchain.model("clerk").invoke([
        ["system", "Be kind."],
        ["human", "I am Ada."],
      ]);
      return [reply.text, reply.usage_metadata];
    });
    expect(output(events)).toMatchObject(["Hello Ada.", { input_tokens: 7, output_tokens: 3, total_tokens: 10 }]);
    const [call] = modelCalls(events);
    expect(call).toMatchObject({ name: "model.chat:clerk", class: "read", verdict: { decision: "allow" } });
    expect(call?.input).toEqual({
      system: "Be kind.",
      prompt: "I am Ada.",
      messages: [
        { type: "system", data: { content: "Be kind." } },
        { type: "human", data: { content: "I am Ada." } },
      ],
    });
  });

  test("the small form of a call - works on it too, with system text, prompt and usage", async () => {
    const model = new ScriptedModel(({ messages }) => ({
      content: lines(messages).join(" / "),
      usage_metadata: { input_tokens: 7, output_tokens: 3, total_tokens: 10 },
    }));
    const { events } = await inOneNode(model, ({ models }) =>
      models.get("clerk")?.chat({ system: "Be kind.", prompt: "I am Ada." }),
    );
    expect(output(events)).toEqual({ text: "system: Be kind. / human: I am Ada.", inputTokens: 7, outputTokens: 3 });
    expect(modelCalls(events)[0]?.input).toEqual({ system: "Be kind.", prompt: "I am Ada." });
  });

  test("a model of the small form - answers LangChain code that says no more than a system text and a prompt", async () => {
    const small = {
      chat: ({ system = "", prompt }: { system?: string; prompt: string }) =>
        Promise.resolve({ text: `${system}|${prompt}` }),
    };
    const { events } = await inOneNode(small, async ({ langchain }) => {
      const model = langchain.model("clerk");
      const reply = await model.invoke([
        ["system", "Be kind."],
        ["human", "Hello."],
      ]);
      const longer = await model
        .invoke([new HumanMessage("a"), { role: "assistant", content: "b" }, new HumanMessage("c")])
        .catch((error: unknown) => (error as Error).message);
      return [reply.text, longer];
    });
    expect(output(events)).toEqual(["Be kind.|Hello.", expect.stringContaining("a longer conversation")]);
  });

  test("bindTools - the tools' JSON schemas are recorded, and reach the model with the options", async () => {
    const { engine, agent, compiled, model } = shopAgent(
      ({ model, tools }) => boundGraph(model, tools),
      () => "No need.",
    );
    const run = await engine.create(agent, { messages: [new HumanMessage("Hello")] });
    expect(await engine.runOn(compiled, run)).toBe("finished");
    const [call] = modelCalls(await engine.events(run));
    const input = call?.input as { readonly tools: readonly JsonObject[]; readonly options: JsonObject };
    expect(input.tools).toMatchObject([
      {
        type: "function",
        function: {
          name: "orders_lookup",
          description: "Looks an order up.",
          parameters: { type: "object", properties: { orderId: { type: "string" } }, required: ["orderId"] },
        },
      },
      { type: "function", function: { name: "payments_refund" } },
    ]);
    expect(input.options).toEqual({ tool_choice: "any", stop: ["END"], temperature: 0.5 });
    expect(model.calls[0]?.options).toMatchObject({ tool_choice: "any", stop: ["END"], temperature: 0.5 });
    expect(model.calls[0]?.options.tools).toEqual(input.tools);
  });

  test("batch - is one effect for each input, in order", async () => {
    const model = new ScriptedModel(({ messages }) => `Re: ${messages[0]?.text ?? ""}`);
    const { events } = await inOneNode(model, async ({ langchain }) =>
      (await langchain.model("clerk").batch(["a", "b", "c"])).map(({ text }) => text),
    );
    expect(output(events)).toEqual(["Re: a", "Re: b", "Re: c"]);
    expect(modelCalls(events)).toHaveLength(3);
  });

  test("stream - gives the recorded message in one piece, so that a resumed run sees the same", async () => {
    const model = new ScriptedModel(({ nth }) => (nth === 0 ? asksFor(["look", { at: "x" }, "c1"]) : "one two three"));
    const body = async ({ langchain }: AnyHandles): Promise<unknown> => {
      const seen: unknown[] = [];
      for (let i = 0; i < 2; i++) {
        for await (const { text, tool_calls, id } of await langchain.model("clerk").stream("Go."))
          seen.push({ text, tool_calls, id });
      }
      return seen;
    };
    const { events } = await inOneNode(model, body);
    expect(output(events)).toMatchObject([
      { text: "", tool_calls: [{ name: "look", args: { at: "x" }, id: "c1" }] },
      { text: "one two three", tool_calls: [] },
    ]);
    expect(modelCalls(events)).toHaveLength(2);
  });

  test("callbacks of the node's code - hear the tokens as they come, once each", async () => {
    const model = new ScriptedModel(() => "one two three");
    const heard: string[] = [];
    class Listener extends BaseCallbackHandler {
      readonly name = "listener";
      override handleLLMNewToken(token: string): void {
        if (token !== "") heard.push(token);
      }
    }
    await inOneNode(model, async ({ langchain }) => {
      const { text } = await langchain.model("clerk").invoke("Go.", { callbacks: [new Listener()] });
      return text;
    });
    expect(heard).toEqual(["one ", "two ", "three"]);
  });

  test("LangGraph's streamMode messages in a node's own code - hears each token once, and the whole from a replay", async () => {
    const model = new ScriptedModel(() => "one two three");
    const { called: _, ...tools } = notingTools();
    const engine = new TestEngine({ handles: { models: new Map([["clerk", model]]) } });
    const heard: string[][] = [];
    const agent = oneNode(tools, async ({ langchain, tools }) => {
      const inner = boundGraph(langchain.model("clerk"), []).compile();
      const pieces: string[] = [];
      const ids = new Set<string | undefined>();
      for await (const [message] of await inner.stream({ messages: ["Go."] }, { streamMode: "messages" })) {
        if (message.text !== "") pieces.push(message.text);
        ids.add(message.id);
      }
      heard.push(pieces);
      await tools.pay({ id: "p" });
      return ids.size;
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    engine.memory.cut = ([event]) => event?.type === "effect_intended";
    expect(await engine.attempt(compiled, run)).toBe("cut");
    engine.memory.cut = () => false;
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(heard).toEqual([["one ", "two ", "three"], ["one two three"]]);
    expect(output(await engine.events(run))).toBe(1);
    expect(model.calls).toHaveLength(1);
  });

  test("the id of a reply - is the provider's if it gave one, else the effect's, in every attempt", async () => {
    const model = new ScriptedModel(({ nth }) => ({ content: "x", ...(nth === 0 ? { id: "msg_1" } : {}) }));
    const { events } = await inOneNode(model, async ({ langchain }) => {
      const first = await langchain.model("clerk").invoke("a");
      const second = await langchain.model("clerk").invoke("b");
      // What a model said before goes back with its provider's id, and without one that was made up.
      await langchain.model("clerk").invoke([first, second, new HumanMessage("c")]);
      return [first.id, second.id];
    });
    const [first, second] = output(events) as string[];
    expect(first).toBe("msg_1");
    expect(second).toMatch(/^[0-9a-f-]{36}$/);
    const { messages } = modelCalls(events)[2]?.input as { messages: { data: JsonObject }[] };
    expect(messages.map(({ data }) => data["id"])).toEqual(["msg_1", undefined, undefined]);
  });

  test("the rules refuse it - nothing reaches the model", async () => {
    const model = new ScriptedModel(() => "x");
    const { events } = await inOneNode(model, ({ langchain }) => langchain.model("clerk").invoke("Go."), {
      say: ({ action, resource }) => (action === "model.chat" && resource === "clerk" ? DENIED : undefined),
    });
    expect(output(events)).toMatchObject({ code: "CALL_REFUSED" });
    expect(model.calls).toEqual([]);
  });

  test("a rule holds it for people - it is made once they approve, and given with the same id", async () => {
    const model = new ScriptedModel(() => "x");
    const { engine, compiled, run, status } = await inOneNode(
      model,
      async ({ langchain }) => (await langchain.model("clerk").invoke("Go.")).text,
      { say: ({ approval }) => (approval.satisfied ? undefined : HELD) },
    );
    expect([status, model.calls.length]).toEqual(["parked", 0]);
    await engine.decide(run, (await engine.held(run))[0], "approve");
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(output(await engine.events(run))).toBe("x");
  });

  test("its error - is recorded and thrown as CallFailedError", async () => {
    const model = new ScriptedModel(() => Promise.reject(new Error("Overloaded.")));
    const { events } = await inOneNode(model, async ({ langchain }) => {
      const error = await langchain
        .model("clerk")
        .invoke("Go.")
        .catch((thrown: unknown) => thrown);
      return [error instanceof CallFailedError, (error as Error).message];
    });
    expect(output(events)).toEqual([true, "The call of model.chat failed: Overloaded."]);
    expect(modelCalls(events)[0]?.outcome.ok).toBe(false);
  });

  test("a time limit of the caller - reaches the model's signal", async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const model = new ScriptedModel(({ options: { signal } }) => {
      signals.push(signal);
      return new Promise((_, reject) => {
        signal?.addEventListener("abort", () => {
          reject(new Error("Aborted."));
        });
      });
    });
    const { events } = await inOneNode(model, ({ langchain }) =>
      langchain.model("clerk").invoke("Go.", { timeout: 5 }),
    );
    expect(output(events)).toMatchObject({ code: "CALL_FAILED" });
    expect(signals.map((signal) => signal?.aborted)).toEqual([true]);
  });

  test("an attempt that is over - reaches the model's signal, and nothing is recorded", async () => {
    const engine = new TestEngine({ handles: { models: new Map([["clerk", new ScriptedModel(hang)]]) } });
    const aborted: boolean[] = [];
    let asked: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (asked = resolve));
    function hang({ options: { signal } }: { options: { signal?: AbortSignal } }): Promise<string> {
      asked();
      return new Promise((_, reject) => {
        signal?.addEventListener("abort", () => {
          aborted.push(true);
          reject(new Error("Aborted."));
        });
      });
    }
    const { called: _, ...tools } = shop();
    const agent = oneNode(tools, async ({ langchain, tools }) => {
      const reply = langchain.model("clerk").invoke("Go.");
      await begun;
      engine.memory.cut = () => true;
      await tools.lookup({ orderId: "o" });
      await tools.refund({ orderId: "o", amountCents: 1 });
      return reply;
    });
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("cut");
    expect(aborted).toEqual([true]);
    expect(modelCalls(await engine.events(run))).toEqual([]);
  });

  test("a name that is not configured - is an error that says which there are", async () => {
    const { events } = await inOneNode(new ScriptedModel(() => "x"), ({ langchain }) =>
      langchain.model("clerc").invoke("Go."),
    );
    expect(output(events)).toMatchObject({
      code: "MODEL_MISSING",
      message: expect.stringContaining('"clerk"') as unknown,
    });
  });

  test("an option that cannot be recorded - is refused with its place, and nothing reaches the model", async () => {
    const model = new ScriptedModel(() => "x");
    const { events } = await inOneNode(model, ({ langchain }) =>
      langchain
        .model("clerk")
        .withConfig({ onToken: () => undefined } as object)
        .invoke("Go."),
    );
    expect(output(events)).toMatchObject({
      code: "INVALID_ARGUMENTS",
      message: expect.stringContaining("/options/onToken") as unknown,
    });
    expect(model.calls).toEqual([]);
  });

  test("LangChain's own fake model - is asked as it is", async () => {
    const { events } = await inOneNode(
      new FakeListChatModel({ responses: ["first", "second"] }),
      async ({ langchain }) => {
        const model = langchain.model("clerk");
        return [(await model.invoke("a")).text, (await model.invoke("b")).text];
      },
    );
    expect(output(events)).toEqual(["first", "second"]);
  });

  test("withStructuredOutput - gives what fits the schema, and an error for what does not", async () => {
    const Answer = z.object({ amountCents: z.int() });
    const script: Script = ({ nth }) => asksFor(["answer", { amountCents: nth === 0 ? 5 : "five" }, "c"]);
    const { events } = await inOneNode(new ScriptedModel(script), async ({ langchain }) => {
      const asked = langchain.model("clerk").withStructuredOutput(Answer, { name: "answer" });
      const right = await asked.invoke("How much?");
      const wrong = await asked.invoke("And now?").catch((error: unknown) => (error as Error).message);
      return [right, wrong];
    });
    expect(output(events)).toEqual([
      { amountCents: 5 },
      expect.stringContaining("does not fit its schema: amountCents"),
    ]);
    expect(modelCalls(events)[0]?.input).toMatchObject({ options: { tool_choice: "answer" } });
  });
});
