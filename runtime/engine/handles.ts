import { randomInt, randomUUID } from "node:crypto";
import type { Agent, AnyAgent } from "../../agents/define-agent.ts";
import type { AgentHandle, AskAllHandle, Handles, LogHandle, MemoryHandle } from "../../agents/handles.ts";
import type { AnyTool } from "../../tools/define-tool.ts";
import type { EffectKind } from "../core/effects.ts";
import { SignalboxError } from "../core/errors.ts";
import { copyJson, type JsonValue } from "../core/json.ts";
import type { MemoryStore, RecallInput, RememberInput } from "../core/memory.ts";
import { plain } from "./arguments.ts";
import { ask, askForAll, askForFirst } from "./ask-call.ts";
import type { Retry } from "./call.ts";
import { InvalidArgumentsError } from "./errors.ts";
import { askPerson } from "./human-call.ts";
import { langchainHandle } from "./langchain-handle.ts";
import { chat, type ModelServices } from "./model-call.ts";
import type { NodeExecution } from "./node-execution.ts";
import { LONGEST_SLEEP_MS } from "./longest-timer.ts";
import { messagesHandle, send } from "./messages-handle.ts";
import { SLEEP } from "./node-waits.ts";
import { currentExecution, currentPlace } from "./place.ts";
import { settleCall } from "./settle-call.ts";
import { callTool } from "./tool-call.ts";

/** Writes a line to the worker's log. */
export type WriteLog = (level: "info" | "warn", message: string, fields: Readonly<Record<string, JsonValue>>) => void;

/** What the handles reach the world through, behind the gate. */
export interface HandleServices extends ModelServices {
  readonly memory: MemoryStore;
  readonly log: WriteLog;
}

const SHORT_TIMEOUT_MS = 30_000;

/**
 * The memory is in the database that the journal is in: a connection that breaks is no answer, and must not be what ends
 * a run whose appends outlive it. Both calls may be repeated.
 */
const UNTIL_IT_IS_BACK: Retry = {
  maxAttempts: 10,
  firstDelayMs: 200,
  factor: 2,
  maxDelayMs: 30_000,
  retryOn: (error) => error instanceof SignalboxError && error.disposition === "retry",
};

/** The handles that an agent's graph is built around. They find the running node by themselves. */
export function buildHandles(
  agent: Agent,
  services: HandleServices,
): Handles<Record<string, AnyTool>, Record<string, AnyAgent>> {
  const callable = {
    tools: mapValues(agent.tools, (tool) => (input: unknown) => watched(callTool(tool, input))),
    agents: mapValues(agent.agents, (asked): AgentHandle<AnyAgent> => ({
      ask: (input) => watched(ask(asked, input)),
      send: (input, options) => watched(send(asked, input, options?.key)),
    })),
  };
  return {
    ...callable,
    askAll: askAllHandle(agent),
    messages: messagesHandle(agent, watched),
    langchain: langchainHandle(agent, callable, services),
    memory: memoryHandle(agent, services.memory),
    models: {
      get(name) {
        return services.models.has(name) ? { chat: (input) => watched(chat(services, name, input)) } : undefined;
      },
    },
    human: { ask: (input) => watched(askPerson(input)) },
    clock: {
      now: () => watched(chance("clock", "clock.now", (execution) => Math.trunc(execution.attempt.now()))),
      random: () => watched(chance("random", "clock.random", () => randomInt(2 ** 47) / 2 ** 47)),
      uuid: () => watched(chance("id", "clock.uuid", () => randomUUID())),
      sleep: (ms) => watched(sleep({ ms })),
      sleepUntil: (until) => watched(sleep({ until })),
    },
    log: logHandle(agent, services.log),
  };
}

function askAllHandle(agent: Agent): AskAllHandle<Record<string, AnyAgent>> {
  const askAll = (inputs: Readonly<Record<string, unknown>>, options: { wait?: "all" | "first" } = {}) => {
    const asks = Object.entries(inputs).map(([name, input]) => {
      const asked = agent.agents[name];
      if (asked) return { name, agent: asked, input };
      throw new InvalidArgumentsError(
        `${agent.name} does not list "${name}" among its agents, and so cannot ask it. Nobody was asked.`,
        { details: { name } },
      );
    });
    if (asks.length === 0) throw new InvalidArgumentsError("askAll was called without anybody to ask.");
    return options.wait === "first" ? askForFirst(asks) : askForAll(asks);
  };
  return ((inputs, options) => watched(Promise.resolve().then(() => askAll(inputs, options)))) as AskAllHandle<
    Record<string, AnyAgent>
  >;
}

/** A call that nobody awaits is recorded like any other; its error must not end the whole process. */
function watched<T>(call: Promise<T>): Promise<T> {
  call.catch(() => undefined);
  return call;
}

function memoryHandle(agent: Agent, store: MemoryStore): MemoryHandle {
  return {
    remember: ({ namespace = agent.name, text, data }) =>
      watched(remember(store, { namespace, text, ...(data ? { data } : {}) })),
    recall: ({ namespace = agent.name, ...query }) => watched(recall(store, { namespace, ...query })),
  };
}

async function remember(store: MemoryStore, asked: RememberInput): Promise<{ id: string }> {
  const input = plain(asked, "memory.remember");
  const execution = currentExecution("memory.remember");
  const value = await settleCall("memory.remember", {
    kind: "memory",
    action: "memory.remember",
    resource: asked.namespace,
    class: "idempotent",
    input,
    judged: true,
    timeoutMs: SHORT_TIMEOUT_MS,
    retry: UNTIL_IT_IS_BACK,
    perform: async ({ effectId }) => {
      const author = { run: execution.attempt.head.run, effect: effectId };
      await store.remember(effectId, copyJson(input) as unknown as RememberInput, author);
      return { id: effectId };
    },
  });
  return value as { id: string };
}

async function recall(store: MemoryStore, asked: RecallInput): ReturnType<MemoryHandle["recall"]> {
  const input = plain(asked, "memory.recall");
  const found = await settleCall("memory.recall", {
    kind: "memory",
    action: "memory.recall",
    resource: asked.namespace,
    class: "read",
    input,
    judged: true,
    timeoutMs: SHORT_TIMEOUT_MS,
    retry: UNTIL_IT_IS_BACK,
    perform: () => store.recall(copyJson(input) as unknown as RecallInput),
  });
  return found as Awaited<ReturnType<MemoryHandle["recall"]>>;
}

/** Time and chance: recorded so that they are the same in every attempt; they ask nobody's leave. */
async function chance<T>(kind: EffectKind, action: string, draw: (execution: NodeExecution) => T): Promise<T> {
  const execution = currentExecution(action);
  const value = await settleCall(action, {
    kind,
    action,
    resource: "",
    class: "read",
    input: {},
    judged: false,
    timeoutMs: SHORT_TIMEOUT_MS,
    perform: () => Promise.resolve(draw(execution)),
  });
  return value as T;
}

async function sleep(input: { readonly ms: number } | { readonly until: number }): Promise<void> {
  const [value] = Object.values(input) as [number];
  const longest = "ms" in input ? LONGEST_SLEEP_MS : Number.MAX_SAFE_INTEGER;
  if (!Number.isSafeInteger(value) || value < 0 || value > longest) {
    throw new InvalidArgumentsError(
      `${String(value)} is no time to sleep. Give a whole number of milliseconds: how long (at most ten years), or until when since the Unix epoch.`,
      { details: { name: SLEEP } },
    );
  }
  await settleCall(SLEEP, {
    kind: "timer",
    action: SLEEP,
    resource: "",
    class: "read",
    input,
    judged: false,
    timeoutMs: SHORT_TIMEOUT_MS,
    perform: () => Promise.reject(new Error("A sleep is waited for, not called.")),
  });
}

function logHandle(agent: Agent, write: WriteLog): LogHandle {
  const line = (level: "info" | "warn", message: string, fields: Readonly<Record<string, JsonValue>> = {}): void => {
    const place = currentPlace.getStore();
    const execution = place?.kind === "node" ? place.execution : null;
    if (execution?.replaying === true) return;
    const where = execution ? { run: execution.attempt.head.run, node: execution.key } : {};
    write(level, message, { ...fields, agent: agent.name, ...where });
  };
  return {
    info: (message, fields) => {
      line("info", message, fields);
    },
    warn: (message, fields) => {
      line("warn", message, fields);
    },
  };
}

function mapValues<In, Out>(record: Readonly<Record<string, In>>, map: (value: In) => Out): Record<string, Out> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
