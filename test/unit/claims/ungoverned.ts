import { CallRefusedError, type AnyAgent, type Handles } from "signalbox";
import type { GraphBuilder } from "../../../agents/define-agent.ts";
import { effectKeyText } from "../../../runtime/core/effects.ts";
import type { JsonValue } from "../../../runtime/core/json.ts";
import type { Judge, ProposedCall } from "../../../runtime/core/judge.ts";
import type { Verdict } from "../../../runtime/core/verdict.ts";
import type { AnyTool } from "../../../tools/define-tool.ts";
import type { Recall } from "./examine.ts";
import { proposed } from "./rule-set.ts";

/** What stands in for the engine: rules and people are real, the journal and its guarantees are missing. */
export interface World {
  readonly judge: Judge;
  readonly recall: Recall;
  /** The people's decision on a held call. */
  readonly decide: (input: JsonValue, verdict: Verdict) => { readonly approve: boolean; readonly reason: string };
  /** A chat model's answer, where one is configured. */
  readonly model?: (prompt: string) => string;
  /** Every judged call, in order. */
  readonly calls: { readonly call: ProposedCall; readonly verdict: Verdict }[];
}

type AnyHandles = Handles<Record<string, AnyTool>, Record<string, AnyAgent>>;

/**
 * Runs an agent's graph on bare LangGraph, its calls judged by the rules. Quick, and enough to see what
 * the agents do with each other; what happens in crashes and waits is for tests of the engine.
 */
export async function runUngoverned(agent: AnyAgent, input: unknown, world: World): Promise<unknown> {
  const builder = agent.graph(handlesOf(agent, world)) as GraphBuilder;
  const graph = builder.compile() as { invoke(input: unknown): Promise<unknown> };
  const state = await graph.invoke(agent.input?.parse(input) ?? input);
  return agent.output?.parse(state) ?? state;
}

function handlesOf(agent: AnyAgent, world: World): AnyHandles {
  const pass = (kind: ProposedCall["kind"], action: string, resource: string, input: unknown): void => {
    // As in the engine: only plain JSON gets to the rules.
    const call = proposed({
      agent: agent.name,
      kind,
      action,
      resource,
      input: JSON.parse(JSON.stringify(input)) as JsonValue,
    });
    const verdict = world.judge.judge(call);
    world.calls.push({ call, verdict });
    if (verdict.decision === "allow") return;
    if (verdict.decision !== "require_approval") throw new CallRefusedError(action, verdict);
    const { approve, reason } = world.decide(call.input, verdict);
    if (!approve) throw new CallRefusedError(action, { ...verdict, decision: "deny", reason });
  };
  const tools = Object.entries(agent.tools).map(([name, tool], i) => [
    name,
    async (given: unknown) => {
      const input = tool.input.parse(given);
      pass("tool", tool.name, tool.name, input);
      const key = { node: agent.name, name: tool.name, fingerprint: JSON.stringify(input), nth: i };
      const context = { effectId: effectKeyText(key) + key.fingerprint, signal: new AbortController().signal };
      return tool.output.parse(await tool.run(input as never, context));
    },
  ]);
  const agents = Object.entries(agent.agents).map(([name, asked]) => [
    name,
    {
      ask: (input: unknown) => {
        pass("ask", "agent.ask", asked.name, input);
        return runUngoverned(asked, input, world);
      },
    },
  ]);
  const { model } = world;
  return {
    tools: Object.fromEntries(tools) as AnyHandles["tools"],
    agents: Object.fromEntries(agents) as AnyHandles["agents"],
    askAll: notHere,
    messages: { publish: notHere, reply: notHere, receive: notHere, opening: () => null },
    memory: {
      remember: (input) => {
        pass("memory", "memory.remember", input.namespace ?? "", input);
        return Promise.resolve({ id: "m" });
      },
      recall: async (input) => {
        pass("memory", "memory.recall", input.namespace ?? "", input);
        const found = await world.recall(input.query);
        return found.map(({ claim, score }) => ({
          id: claim.claimId,
          namespace: "claims",
          text: "",
          data: claim,
          score,
        }));
      },
    },
    models: {
      get: (name) =>
        model && {
          chat: (input) => {
            pass("model", "model.chat", name, input);
            return Promise.resolve({ text: model(input.prompt) });
          },
        },
    },
    langchain: {
      tools: [],
      tool: {},
      agents: [],
      agent: {},
      model: () => {
        throw new Error("The team uses no LangChain models.");
      },
    },
    human: { ask: () => Promise.reject(new Error("The team asks nobody by itself.")) },
    clock: {
      now: () => Promise.resolve(0),
      random: () => Promise.resolve(0),
      uuid: () => Promise.resolve(""),
      sleep: () => Promise.resolve(),
      sleepUntil: () => Promise.resolve(),
    },
    log: { info: () => undefined, warn: () => undefined },
  };
}

function notHere(): never {
  throw new Error("These agents send no such messages.");
}
