import { z } from "zod";
import type { Agent, AnyAgent } from "../../agents/define-agent.ts";
import type { Handles, LangchainHandle, LangchainModel, LangchainTool } from "../../agents/handles.ts";
import type { AnyTool } from "../../tools/define-tool.ts";
import { GovernedChatModel } from "./governed-model.ts";
import { GovernedTool, modelToolNames } from "./governed-tool.ts";
import type { ModelServices } from "./model-call.ts";

type AllTools = Readonly<Record<string, AnyTool>>;
type AllAgents = Readonly<Record<string, AnyAgent>>;

/**
 * An agent's tools, the agents that it may ask and the configured models, as LangChain and LangGraph's
 * prebuilt parts take them. All of them only call the handles.
 */
export function langchainHandle(
  agent: Agent,
  handles: Pick<Handles<AllTools, AllAgents>, "tools" | "agents">,
  services: ModelServices,
): LangchainHandle<AllTools, AllAgents> {
  // Only an agent that hands its tools to a model needs names that a model takes.
  const all = once(() => {
    const names = modelToolNames([
      ...Object.values(agent.tools).map(({ name }) => name),
      ...Object.values(agent.agents).map(({ name }) => name),
    ]);
    const told = (name: string): string => names.get(name) ?? name;
    const tool: Record<string, LangchainTool> = {};
    for (const [key, { name, description, input }] of Object.entries(agent.tools)) {
      const call = async (asked: unknown): Promise<unknown> => handles.tools[key]?.(asked);
      tool[key] = new GovernedTool({ name: told(name), description, schema: input, call });
    }
    const asked: Record<string, LangchainTool> = {};
    for (const [key, { name, description, input }] of Object.entries(agent.agents)) {
      const call = async (question: unknown): Promise<unknown> => handles.agents[key]?.ask(question);
      const schema = input ?? z.record(z.string(), z.unknown());
      asked[key] = new GovernedTool({
        name: told(name),
        description: description || `Asks the agent ${name}.`,
        schema,
        call,
      });
    }
    return { tool, agent: asked };
  });
  return {
    get tool() {
      return all().tool;
    },
    get tools() {
      return Object.values(all().tool);
    },
    get agent() {
      return all().agent;
    },
    get agents() {
      return Object.values(all().agent);
    },
    model: (name) => new GovernedChatModel(name, services) as LangchainModel,
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
