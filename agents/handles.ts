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
  /**
   * Sends it a message that it does not answer, and goes on. Without a key the message starts a run of its own, in this
   * session. Messages with the same `key` go to one run, in the order in which they were sent: the first one starts it,
   * in a session of its own, and it receives the others with `messages.receive`; what it has not received when it ends
   * starts the next run. Waits while the agent's queue is full.
   */
  send(input: AgentInput<A>, options?: { key?: string }): Promise<{ id: string }>;
}

export type AgentHandles<Agents extends Readonly<Record<string, AnyAgent>>> = {
  readonly [K in keyof Agents]: AgentHandle<Agents[K]>;
};

/** Asks several of the agents that this one lists, at the same time. */
export interface AskAllHandle<Agents extends Readonly<Record<string, AnyAgent>>> {
  /** Waits for the answers of all. Rejects, once all have ended, if one of them failed. */
  <Asked extends { readonly [K in keyof Agents]?: AgentInput<Agents[K]> }>(
    inputs: Asked,
    options?: { readonly wait?: "all" },
  ): Promise<{ readonly [K in keyof Asked & keyof Agents]: AgentOutput<Agents[K]> }>;
  /** Takes the first answer and cancels the other runs. Rejects if all failed. */
  <Asked extends { readonly [K in keyof Agents]?: AgentInput<Agents[K]> }>(
    inputs: Asked,
    options: { readonly wait: "first" },
  ): Promise<
    {
      readonly [K in keyof Asked & keyof Agents]: { readonly agent: K; readonly answer: AgentOutput<Agents[K]> };
    }[keyof Asked & keyof Agents]
  >;
}

/** A message that goes one way, as its receiver sees it. */
export interface Message<Body = JsonValue> {
  readonly id: string;
  readonly kind: "send" | "publish" | "reply";
  /** The agent that sent it; for a message from outside, who published it: `person:ada`, `service:gateway`. */
  readonly from: string;
  /** The run that sent it; null for a message from outside. */
  readonly run: string | null;
  readonly topic: string | null;
  readonly key: string | null;
  /** The message that this one replies to. */
  readonly re: string | null;
  /** Milliseconds since the Unix epoch. */
  readonly sentAt: number;
  readonly labels: readonly string[];
  readonly body: Body;
}

export interface MessageFilter {
  /** The sending agent. */
  readonly from?: string;
  /** A topic, or a pattern: `*` stands for one word, `>` for all that follow. */
  readonly topic?: string;
  readonly key?: string;
  /** The id of a message that was sent: takes a reply to it. */
  readonly re?: string;
  /** Fields of the body that must have these values. */
  readonly where?: Readonly<Record<string, JsonValue>>;
}

export interface ReceiveOptions extends MessageFilter {
  /** One of these has to fit as well: to wait for one of several things. A race of two `receive`s would take both. */
  readonly any?: readonly MessageFilter[];
  /** What the body must be. A message that does not fit is taken, and rejects with `InvalidOutputError`. */
  readonly body?: z.ZodType;
  /** Waits at most so long, and then gives null. */
  readonly timeoutMs?: number;
}

/** Messages that go one way. */
export interface MessagesHandle {
  /**
   * Publishes on a topic: every agent that is defined with a fitting `on` gets the message. Messages of one key go to
   * one run of each of them, in order; the default key is the topic. Waits while a queue is full.
   */
  publish(topic: string, body: unknown, options?: { key?: string }): Promise<{ receivers: string[] }>;
  /** Replies to the run that sent a message; it receives the reply if it still goes on. */
  reply(message: Message, body: unknown): Promise<{ id: string }>;
  /**
   * Waits for a message to this run: a reply, or one of its key. Messages that do not fit stay for a later `receive`.
   * The run parks meanwhile.
   */
  receive<Body extends z.ZodType = z.ZodType<JsonValue>>(
    options: ReceiveOptions & { readonly body?: Body; readonly timeoutMs: number },
  ): Promise<Message<z.output<Body>> | null>;
  receive<Body extends z.ZodType = z.ZodType<JsonValue>>(
    options?: ReceiveOptions & { readonly body?: Body; readonly timeoutMs?: undefined },
  ): Promise<Message<z.output<Body>>>;
  /** The message that started this run; null for a run that was started or asked. */
  opening(): Message | null;
}

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
  readonly askAll: AskAllHandle<Agents>;
  readonly messages: MessagesHandle;
  readonly memory: MemoryHandle;
  readonly models: ModelHandles;
  readonly langchain: LangchainHandle<Tools, Agents>;
  readonly human: HumanHandle;
  readonly clock: ClockHandle;
  readonly log: LogHandle;
}
