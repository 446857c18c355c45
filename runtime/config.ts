import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { AnyAgent } from "../agents/define-agent.ts";
import type { ChatModel } from "../agents/handles.ts";
import type { AnyTool } from "../tools/define-tool.ts";
import { SignalboxError } from "./core/errors.ts";
import type { JsonObject, JsonValue } from "./core/json.ts";
import type { RuledAction, RuleFile, RuleSetSource } from "./core/judge.ts";

/** Runs that `signalbox dev` starts once, so that a fresh console has something to show. */
export interface Sample {
  readonly agent: string;
  /** The service account in whose name they are started; made if it does not exist. */
  readonly startedBy: string;
  /** One run each. The same key is never started twice. */
  readonly runs: readonly { readonly key: string; readonly input: JsonValue }[];
}

/** What is left out is as usual. */
export interface ProjectLimits {
  /** How many asks and messages may stand above a run. Default 16. */
  readonly maxDepth?: number | undefined;
  /** How many messages a session may send, those of its asks included. Default 10,000. */
  readonly maxMessages?: number | undefined;
  /** How many supersteps a graph may make. Default 100,000. */
  readonly maxSupersteps?: number | undefined;
  /** How many milliseconds a node's code may neither call anything nor end. Default half an hour. */
  readonly nodeIdleMs?: number | undefined;
}

export interface ConfigOptions {
  /** Every agent that this project runs, those that others ask included. */
  agents: readonly AnyAgent[];
  /** Files of Cedar policies that judge every agent's calls, beside each agent's own. */
  rules?: readonly URL[];
  /** The pools that rules name, each with what it is for. */
  pools?: Readonly<Record<string, string>>;
  /** Bounds on agents that go round in circles. */
  limits?: ProjectLimits;
  /** Chat models by the name under which agents get them: any of LangChain's, or an object with a `chat` function. */
  models?: Readonly<Record<string, ChatModel>>;
  /** What `signalbox dev` starts in a fresh data folder, in this order. */
  samples?: readonly Sample[];
}

/** A project's configuration. Make one with {@link defineConfig}. */
export interface SignalboxConfig {
  readonly agents: readonly AnyAgent[];
  readonly rules: readonly URL[];
  readonly pools: Readonly<Record<string, string>>;
  readonly limits: ProjectLimits;
  readonly models: Readonly<Record<string, ChatModel>>;
  readonly samples: readonly Sample[];
}

/** The configuration is wrong, or its file cannot be loaded. */
export class ConfigInvalidError extends SignalboxError {
  static override readonly code = "CONFIG_INVALID";
}

const agentShape = z.object({ name: z.string(), graph: z.function() });
const configShape = z.object({
  agents: z
    .array(z.custom<AnyAgent>((value) => agentShape.safeParse(value).success, "is not made with defineAgent"))
    .min(1),
  rules: z
    .array(z.instanceof(URL, { message: 'is not a URL; write new URL("./rules.cedar", import.meta.url)' }))
    .optional(),
  pools: z.record(z.string(), z.string()).optional(),
  limits: z
    .strictObject({
      maxDepth: z.int().positive().optional(),
      maxMessages: z.int().positive().optional(),
      maxSupersteps: z.int().positive().optional(),
      nodeIdleMs: z.int().positive().optional(),
    })
    .optional(),
  models: z
    .record(
      z.string(),
      z.custom<ChatModel>(isChatModel, "is neither a LangChain chat model nor an object with a chat function"),
    )
    .optional(),
  samples: z
    .array(
      z.object({
        agent: z.string(),
        startedBy: z.string(),
        runs: z.array(z.object({ key: z.string(), input: z.json() })),
      }),
    )
    .optional(),
});

function isChatModel(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if ("chat" in value && typeof value.chat === "function") return true;
  return "_modelType" in value && "invoke" in value && typeof value.invoke === "function";
}

/**
 * Defines what a Signalbox project consists of: the default export of `signalbox.config.ts`.
 *
 * @throws {@link ConfigInvalidError} naming what is wrong: also where an agent asks one that is not listed,
 *   or two agents or two different tools share a name.
 */
export function defineConfig(options: ConfigOptions): SignalboxConfig {
  const parsed = configShape.safeParse(options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`${issue?.path.map(String).join(".") ?? ""} ${issue?.message ?? ""}`.trim());
  }
  const agents = new Map<string, AnyAgent>();
  const tools = new Map<string, AnyTool>();
  for (const agent of options.agents) {
    if (agents.has(agent.name)) throw invalid(`two agents are called "${agent.name}". Rename one of them`);
    agents.set(agent.name, agent);
    for (const tool of Object.values(agent.tools)) {
      const known = tools.get(tool.name);
      if (known && known !== tool) throw invalid(`two different tools are called "${tool.name}". Rename one of them`);
      tools.set(tool.name, tool);
    }
  }
  for (const agent of options.agents) {
    for (const asked of Object.values(agent.agents)) {
      if (!agents.has(asked.name)) {
        throw invalid(
          `the agent "${agent.name}" asks "${asked.name}", which is not among the agents. Add it to agents`,
        );
      }
    }
  }
  const pools = poolsOf({ pools: options.pools ?? {} });
  for (const { name, interrupts } of options.agents) {
    if (interrupts && pools && !pools.includes(interrupts.pool)) {
      throw invalid(
        `the agent "${name}" puts its interrupts to the pool "${interrupts.pool}", which is not among the pools. Add it to pools`,
      );
    }
  }
  for (const sample of options.samples ?? []) {
    if (!agents.has(sample.agent))
      throw invalid(`samples name the agent "${sample.agent}", which is not among the agents`);
  }
  return {
    agents: options.agents,
    rules: options.rules ?? [],
    pools: options.pools ?? {},
    limits: options.limits ?? {},
    models: options.models ?? {},
    samples: options.samples ?? [],
  };
}

function invalid(what: string): ConfigInvalidError {
  return new ConfigInvalidError(`The configuration is wrong: ${what}.`);
}

/**
 * What the rule engine needs to know of a configuration: the agents, what each may call with which
 * input, and the text of all rule files. A rule file that does not exist permits nothing.
 */
export async function ruleSetSource(config: SignalboxConfig): Promise<RuleSetSource> {
  return {
    agents: await Promise.all(
      config.agents.map(async (agent) => ({
        name: agent.name,
        team: agent.team,
        actions: actionsOf(agent),
        rules: agent.rules ? await readRules(agent.rules) : undefined,
      })),
    ),
    shared: (await Promise.all(config.rules.map(readRules))).filter((file) => file !== undefined),
    pools: poolsOf(config),
  };
}

/** Where a project names no pool, it may have them in the database alone. */
function poolsOf({ pools }: Pick<SignalboxConfig, "pools">): readonly string[] | undefined {
  const names = Object.keys(pools);
  return names.length === 0 ? undefined : names;
}

async function readRules(url: URL): Promise<RuleFile | undefined> {
  try {
    const path = relative(process.cwd(), fileURLToPath(url));
    return { path: path.startsWith("..") ? fileURLToPath(url) : path, text: await readFile(url, "utf8") };
  } catch (error) {
    // No rules, no permission: everything is denied, which is the safe reading of a missing file.
    if ((error as { code?: unknown }).code === "ENOENT") return undefined;
    throw error;
  }
}

function actionsOf(agent: AnyAgent): RuledAction[] {
  const namespaced = (properties: JsonObject, required: readonly string[]): JsonObject => ({
    type: "object",
    properties: { namespace: { type: "string" }, ...properties },
    required: ["namespace", ...required],
  });
  return [
    ...Object.values(agent.tools).map(
      (tool) => ({ kind: "tool", name: tool.name, input: jsonSchemaOf(tool.input) }) as const,
    ),
    ...Object.values(agent.agents).map(
      (asked) =>
        ({
          kind: "ask",
          name: "agent.ask",
          resource: asked.name,
          input: asked.input ? jsonSchemaOf(asked.input) : { type: "object" },
        }) as const,
    ),
    ...Object.values(agent.agents).map(
      (asked) =>
        ({
          kind: "send",
          name: "agent.send",
          resource: asked.name,
          input: messageOf(asked.input ? jsonSchemaOf(asked.input) : { type: "object" }, { key: { type: "string" } }),
        }) as const,
    ),
    {
      kind: "send",
      name: "agent.reply",
      input: messageOf({}, { run: { type: "string" }, re: { type: "string" } }, ["run", "re"]),
    },
    {
      kind: "publish",
      name: "topic.publish",
      input: messageOf({}, { topic: { type: "string" }, key: { type: "string" } }, ["topic", "key"]),
    },
    {
      kind: "memory",
      name: "memory.remember",
      input: namespaced({ text: { type: "string" }, data: { type: "object" } }, ["text"]),
    },
    {
      kind: "memory",
      name: "memory.recall",
      input: namespaced({ query: { type: "string" }, limit: { type: "integer" }, minScore: { type: "number" } }, [
        "query",
      ]),
    },
    {
      kind: "model",
      name: "model.chat",
      input: {
        type: "object",
        properties: { system: { type: "string" }, prompt: { type: "string" } },
        required: ["prompt"],
      },
    },
    {
      kind: "human",
      name: "human.ask",
      input: {
        type: "object",
        properties: { pool: { type: "string" }, question: { type: "string" } },
        required: ["pool", "question"],
      },
    },
  ];
}

/** What rules see of a message that goes one way: its body, and where it goes. */
function messageOf(body: JsonObject, properties: JsonObject, required: readonly string[] = []): JsonObject {
  return { type: "object", properties: { message: body, ...properties }, required: ["message", ...required] };
}

function jsonSchemaOf(schema: z.ZodType): JsonObject {
  return z.toJSONSchema(schema, { io: "output", unrepresentable: "any" }) as JsonObject;
}
