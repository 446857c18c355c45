import type { z } from "zod";
import { SignalboxError } from "../runtime/core/errors.ts";
import { isTopicPattern } from "../runtime/core/topics.ts";
import type { AnyTool } from "../tools/define-tool.ts";
import type { Handles } from "./handles.ts";

/** A state as LangGraph takes it: `Annotation.Root({...})` or a Zod object. */
export type StateDefinition = { readonly State: unknown; readonly Update: unknown } | z.ZodObject;

/** What a run of this state may be started with. */
export type StateUpdate<S> = S extends { readonly Update: infer U } ? U : S extends z.ZodType ? z.input<S> : never;

/** What a run of this state ends with. */
export type StateValue<S> = S extends { readonly State: infer V } ? V : S extends z.ZodType ? z.output<S> : never;

/** A LangGraph `StateGraph`: Signalbox compiles a copy of it. */
export interface GraphBuilder {
  readonly nodes: object;
  readonly branches: object;
  compile(...args: never[]): unknown;
}

/** What a `StateGraph` compiles to. Signalbox runs a copy; the journal takes the place of its checkpointer. */
export interface CompiledGraph {
  readonly builder: unknown;
  invoke(...args: never[]): unknown;
}

declare const io: unique symbol;

/** A named state graph. Make one with {@link defineAgent}. */
export interface Agent<Input = unknown, Output = unknown> {
  readonly name: string;
  readonly description: string;
  readonly team: string | undefined;
  /** Named by the developer; undefined: a hash of graph, schemas and source. */
  readonly version: string | undefined;
  readonly state: StateDefinition;
  readonly input: z.ZodType | undefined;
  readonly output: z.ZodType | undefined;
  readonly tools: Readonly<Record<string, AnyTool>>;
  readonly agents: Readonly<Record<string, AnyAgent>>;
  readonly rules: URL | undefined;
  /** At most so many runs of it are under way at once, on all workers together; a parked run is not under way. */
  readonly concurrency: number | undefined;
  /** How long one run may take from its start to its end, waits included. */
  readonly timeoutMs: number | undefined;
  /** Builds the graph around the handles through which its nodes reach the world. */
  readonly graph: (handles: Handles<Record<string, AnyTool>, Record<string, AnyAgent>>) => GraphBuilder | CompiledGraph;
  readonly interrupts: InterruptOptions | undefined;
  /** The topics whose messages start it, or reach the run that has their key. */
  readonly on: readonly string[];
  /** How many messages may wait for it before who sends more has to wait. */
  readonly queue: number;
  /** Never set: carries the types of what `ask` takes and gives. */
  readonly [io]?: { readonly input: Input; readonly output: Output };
}

/** Any agent, whatever it takes and gives. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- a nominal alias reads better in signatures
export interface AnyAgent extends Agent {}

export type AgentInput<A> = A extends Agent<infer Input> ? Input : never;
export type AgentOutput<A> = A extends Agent<unknown, infer Output> ? Output : never;

export interface AgentOptions<
  State extends StateDefinition,
  Tools extends Readonly<Record<string, AnyTool>>,
  Agents extends Readonly<Record<string, AnyAgent>>,
  Input extends z.ZodType,
  Output extends z.ZodType,
> {
  /** Lower-case words with hyphens between them, for example `claims-intake`. */
  name: string;
  description?: string;
  /** The team that this agent belongs to: rules may name it as `Team::"..."`. */
  team?: string;
  /**
   * A run that has begun only goes on with the version of the agent that began it. Default: a hash of the graph, the
   * schemas and the source, so that changed code is another version. Name the version yourself to say that changed
   * code goes on with the runs of the code before; where it asks for something else than what they recorded, they
   * fail with `NON_DETERMINISM`.
   */
  version?: string;
  state: State;
  /** What a run may be started with. Default: whatever the state takes. */
  input?: Input;
  /** What of the final state is the answer. Default: the whole state. */
  output?: Output;
  /** The tools that its nodes may call. Rules can only forbid, never add to them. */
  tools?: Tools;
  /** The agents that its nodes may ask. */
  agents?: Agents;
  /** A file of Cedar policies for this agent's calls. Without one, whatever `defineConfig` names applies, and by default everything is denied. */
  rules?: URL;
  /** At most so many runs of it are under way at once, on all workers together; a parked run is not under way. */
  concurrency?: number;
  /** How long one run may take from its start to its end, waits included; then it fails. Default: no limit. */
  timeoutMs?: number;
  /** Builds the graph: a `StateGraph`, or what its `compile()` returns. */
  graph: (handles: Handles<Tools, Agents>) => GraphBuilder | CompiledGraph;
  /** Who answers LangGraph's `interrupt()`. Without it, an `interrupt()` fails the run. */
  interrupts?: InterruptOptions;
  /**
   * Topics whose messages start it, for example `"sensors.cold-chain.>"`: `*` stands for one word, `>` for one or more
   * at the end. The body is its input. Messages of one key go to one run, in order.
   */
  on?: string | readonly string[];
  /** How many messages may wait for it before who sends more has to wait. Default: 1000. */
  queue?: number;
}

export interface InterruptOptions {
  /** The pool of people who are asked, as in `human.ask`. */
  readonly pool: string;
}

/** An agent's definition is wrong. */
export class InvalidAgentError extends SignalboxError {
  static override readonly code = "INVALID_AGENT";
}

const DEFAULT_QUEUE = 1_000;

const AGENT_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/**
 * Defines an agent: a named state graph with the tools and agents that it may call.
 *
 * @throws {@link InvalidAgentError} if the name is not lower-case words with hyphens between them,
 *   two of its tools have the same name, a limit is not a whole number from 1 on, a topic is none, or the version
 *   cannot be used.
 */
export function defineAgent<
  State extends StateDefinition,
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no tools at all is the default
  Tools extends Readonly<Record<string, AnyTool>> = {},
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no agents at all is the default
  Agents extends Readonly<Record<string, AnyAgent>> = {},
  Input extends z.ZodType = z.ZodType<StateUpdate<State>, StateUpdate<State>>,
  Output extends z.ZodType = z.ZodType<StateValue<State>, StateValue<State>>,
>(options: AgentOptions<State, Tools, Agents, Input, Output>): Agent<z.input<Input>, z.output<Output>> {
  const { name } = options;
  if (!AGENT_NAME.test(name)) {
    throw new InvalidAgentError(
      `"${name}" is not an agent name. Use lower-case words with hyphens between them, for example "claims-intake".`,
      { details: { agent: name } },
    );
  }
  const toolNames = Object.values(options.tools ?? {}).map((tool) => tool.name);
  const twice = toolNames.find((tool, i) => toolNames.indexOf(tool) !== i);
  if (twice !== undefined) {
    throw new InvalidAgentError(`The agent "${name}" lists the tool "${twice}" twice. List it once.`, {
      details: { agent: name, tool: twice },
    });
  }
  return Object.freeze({
    name,
    description: options.description ?? "",
    team: options.team,
    version: versionOf(name, options.version),
    state: options.state,
    input: options.input,
    output: options.output,
    tools: options.tools ?? {},
    agents: options.agents ?? {},
    rules: options.rules,
    concurrency: wholeNumber(name, "concurrency", options.concurrency),
    timeoutMs: wholeNumber(name, "timeoutMs", options.timeoutMs),
    graph: options.graph as Agent["graph"],
    interrupts: options.interrupts,
    on: topicsOf(name, options.on),
    queue: wholeNumber(name, "queue", options.queue) ?? DEFAULT_QUEUE,
  });
}

function topicsOf(agent: string, on: string | readonly string[] = []): readonly string[] {
  const topics = typeof on === "string" ? [on] : [...on];
  const wrong = topics.find((topic) => !isTopicPattern(topic));
  if (wrong === undefined) return topics;
  throw new InvalidAgentError(
    `The agent "${agent}" listens on "${wrong}", which is no topic. Use words with dots between them, * for one word and > at the end for all that follow, for example "sensors.cold-chain.>".`,
    { details: { agent, topic: wrong } },
  );
}

function versionOf(agent: string, version: string | undefined): string | undefined {
  if (version === undefined || /^[\w.:+-]{1,100}$/.test(version)) return version;
  throw new InvalidAgentError(
    `The agent "${agent}" has the version "${version}". Use up to 100 letters, digits and . : + - _, for example "2026-11-22".`,
    { details: { agent, version } },
  );
}

function wholeNumber(agent: string, option: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return value;
  throw new InvalidAgentError(
    `The agent "${agent}" has ${option}: ${String(value)}. Give a whole number from 1 on, or leave it out for no limit.`,
    { details: { agent, option } },
  );
}
