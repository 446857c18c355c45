import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { StructuredToolInterface } from "@langchain/core/tools";
import type { z } from "zod";
import type { JsonObject, JsonValue } from "../runtime/core/json.ts";
import type { MemoryItem } from "../runtime/core/memory.ts";
import type { AnyTool } from "../tools/define-tool.ts";
import type { AgentInput, AgentOutput, AnyAgent } from "./define-agent.ts";

/** A declared tool as a node calls it: arguments in, checked result out, recorded and judged. */
export type ToolHandle<T extends AnyTool> = (input: z.input<T["input"]>) => Promise<z.output<T["output"]>>;

export type ToolHandles<Tools extends Readonly<Record<string, AnyTool>>> = {
  readonly [K in keyof Tools]: ToolHandle<Tools[K]>;
};

/** Another agent as a node reaches it. */
export interface AgentHandle<A extends AnyAgent> {
  /**
   * Starts a run of that agent and waits for its answer, however long that takes: this run parks
   * meanwhile. Rejects with `AskFailedError` if the answering run fails or is cancelled.
   */
  ask(input: AgentInput<A>): Promise<AgentOutput<A>>;
}

export type AgentHandles<Agents extends Readonly<Record<string, AnyAgent>>> = {
  readonly [K in keyof Agents]: AgentHandle<Agents[K]>;
};

/** The shared memory, through the gate: what was recalled is recorded, so a replay recalls the same. */
export interface MemoryHandle {
  remember(input: { namespace?: string; text: string; data?: JsonObject }): Promise<{ id: string }>;
  recall(input: { namespace?: string; query: string; limit?: number; minScore?: number }): Promise<MemoryItem[]>;
}

export interface ModelReply {
  readonly text: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
}

/** A chat model of the configuration. A call is a `read` effect; it is never called in a replay. */
export interface ModelHandle {
  chat(input: { system?: string; prompt: string }): Promise<ModelReply>;
}

/** What can be configured as a chat model. */
export type ChatModel = ModelHandle | BaseChatModel;

export interface ModelHandles {
  /** The model configured under this name, or undefined if there is none. */
  get(name: string): ModelHandle | undefined;
}

/** A tool as LangChain code takes it: `ToolNode`, `createReactAgent`, `bindTools`. */
export type LangchainTool = StructuredToolInterface;

/** A chat model as LangChain code takes it. */
export type LangchainModel = BaseChatModel & { readonly bindTools: NonNullable<BaseChatModel["bindTools"]> };

/** The same tools, agents and models as LangChain and LangGraph's prebuilt parts take them, through the same gate. */
export interface LangchainHandle<
  Tools extends Readonly<Record<string, AnyTool>>,
  Agents extends Readonly<Record<string, AnyAgent>>,
> {
  /**
   * Every tool that the agent lists. A model knows `payments.refund` as `payments_refund`. A refused call
   * comes back to the model as an error message with the reason; a held call waits.
   */
  readonly tools: LangchainTool[];
  /** The same by the names under which the agent lists them. */
  readonly tool: { readonly [K in keyof Tools]: LangchainTool };
  /** Every agent that this one may ask, as a tool with that agent's input schema. To call one is to ask. */
  readonly agents: LangchainTool[];
  readonly agent: { readonly [K in keyof Agents]: LangchainTool };
  /**
   * The model configured under this name. Each call is a `read` effect, recorded with all its messages, and
   * never made in a replay; a call of a name that is not configured rejects with `ModelMissingError`.
   */
  model(name: string): LangchainModel;
}

/** A question to a person. The run parks until it is answered. */
export interface HumanHandle {
  ask<Answer extends z.ZodType>(input: {
    question: string;
    /** The people who may answer. */
    pool: string;
    answer: Answer;
  }): Promise<z.output<Answer>>;
}

/** Time and chance, recorded: what a node read once it reads again in every later attempt, on whatever machine. */
export interface ClockHandle {
  /** Milliseconds since the Unix epoch. */
  now(): Promise<number>;
  /** From 0 (inclusive) to 1 (exclusive). Not for secrets. */
  random(): Promise<number>;
  uuid(): Promise<string>;
  /** Waits for so long. The time outlives the process: the run parks, and is woken when it has passed. */
  sleep(ms: number): Promise<void>;
  /** Waits until then (milliseconds since the Unix epoch). */
  sleepUntil(at: number): Promise<void>;
}

/** Writes to the worker's log, tagged with run and node; silent while the journal fast-forwards. */
export interface LogHandle {
  info(message: string, fields?: Readonly<Record<string, JsonValue>>): void;
  warn(message: string, fields?: Readonly<Record<string, JsonValue>>): void;
}

/** All that a node may reach the world through. */
export interface Handles<
  Tools extends Readonly<Record<string, AnyTool>>,
  Agents extends Readonly<Record<string, AnyAgent>>,
> {
  readonly tools: ToolHandles<Tools>;
  readonly agents: AgentHandles<Agents>;
  readonly memory: MemoryHandle;
  readonly models: ModelHandles;
  readonly langchain: LangchainHandle<Tools, Agents>;
  readonly human: HumanHandle;
  readonly clock: ClockHandle;
  readonly log: LogHandle;
}
