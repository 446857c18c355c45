import type { RunnableConfig } from "@langchain/core/runnables";
import { isGraphInterrupt, type GraphInterrupt } from "@langchain/langgraph";
import type { JsonValue } from "../core/json.ts";
import { plain } from "./arguments.ts";
import type { Call } from "./call.ts";
import { decode, encode } from "./codec.ts";
import { CallRefusedError, InterruptCaughtError, UnsupportedGraphError } from "./errors.ts";
import { passProposal } from "./gate.ts";
import { interruptKey } from "./interrupt-key.ts";
import type { NodeExecution } from "./node-execution.ts";

/** People answer when they answer: this bounds nothing, a question is put and not called. */
const NOT_CALLED_MS = 30_000;

/** What LangGraph keeps for one task, as far as `interrupt()` looks at it. */
interface Scratchpad {
  interruptCounter: number;
  readonly resume: unknown[];
}

/** What an interrupt says that was thrown. */
interface Pending {
  readonly value?: unknown;
  readonly response_schema?: unknown;
}

/**
 * LangGraph's `interrupt()` in one node execution. It takes its answers from a list of LangGraph's, by their
 * number, and throws where the list ends. The list is filled from the record; what was thrown becomes a
 * question to people, and the node runs again from its top once that is answered.
 */
export class Interrupts {
  readonly #execution: NodeExecution;
  readonly #pool: string | undefined;
  /** How many are answered in the record. */
  readonly #answered: number = 0;
  #thrown = false;

  constructor(execution: NodeExecution, config: RunnableConfig, pool: string | undefined) {
    this.#execution = execution;
    this.#pool = pool;
    const scratchpad = config.configurable?.["__pregel_scratchpad"] as Scratchpad | undefined;
    if (!scratchpad) return;
    for (;;) {
      const outcome = this.#outcome(scratchpad.resume.length);
      if (outcome === undefined) break;
      scratchpad.resume.push(outcome.value);
    }
    this.#answered = scratchpad.resume.length;
    this.#watch(scratchpad);
  }

  #outcome(index: number): { readonly value: unknown } | undefined {
    const recorded = this.#execution.attempt.record.effects.get(interruptKey(this.#execution.key, index).effect);
    return recorded?.status === "finished" && recorded.outcome.ok
      ? { value: decode(recorded.outcome.value) }
      : undefined;
  }

  /** `interrupt()` counts itself before anything else: one that has no answer is about to throw. */
  #watch(scratchpad: Scratchpad): void {
    let counter = scratchpad.interruptCounter;
    Object.defineProperty(scratchpad, "interruptCounter", {
      configurable: true,
      enumerable: true,
      get: () => counter,
      set: (index: number) => {
        counter = index;
        this.#execution.reached(interruptKey(this.#execution.key, index).effect);
        if (index < this.#answered) return;
        this.#thrown = true;
        this.#execution.interrupted();
      },
    });
  }

  /** The body has ended, with a result or an error that is none of LangGraph's. @throws if an interrupt was caught on the way. */
  assertNoneCaught(ended: { readonly error?: unknown } = {}): void {
    if (!this.#thrown) return;
    const { attempt, key } = this.#execution;
    this.#execution.surfaced();
    const how = "error" in ended ? "it then threw another error" : "it then returned";
    throw new InterruptCaughtError(attempt.head.agent, key, how, "error" in ended ? { cause: ended.error } : {});
  }

  /**
   * Puts what was thrown to people. The execution parks, and so this never resolves.
   *
   * @throws `CallRefusedError` if the rules, or people, do not allow the question.
   */
  async ask(thrown: GraphInterrupt): Promise<never> {
    const { attempt, key } = this.#execution;
    this.#execution.surfaced();
    const pending = thrown.interrupts[0] as Pending | undefined;
    if (!this.#thrown || !pending) {
      throw new UnsupportedGraphError(
        `The node ${key} of ${attempt.head.agent} threw an interrupt of its own, which nobody can answer. Call LangGraph's interrupt(value) instead: it returns the answer.`,
        { details: { agent: attempt.head.agent, node: key } },
      );
    }
    const pool = this.#pool;
    if (pool === undefined) {
      throw new UnsupportedGraphError(
        `The node ${key} of ${attempt.head.agent} called LangGraph's interrupt(), and the agent names nobody who may answer. Add interrupts: { pool: "..." } to its defineAgent.`,
        { details: { agent: attempt.head.agent, node: key } },
      );
    }
    const asked = interruptKey(key, this.#answered);
    const recorded = attempt.record.effects.get(asked.effect);
    // It has no turn among the calls, in which its end could be handed over.
    if (recorded?.status === "refused") throw new CallRefusedError("human.ask", recorded.verdict);
    const call: Call = {
      kind: "human",
      action: "human.ask",
      resource: pool,
      class: "idempotent",
      input: questionOf(pool, pending),
      judged: true,
      timeoutMs: NOT_CALLED_MS,
      perform: () => Promise.reject(new Error("A question is put, not called.")),
    };
    const ended = await passProposal(this.#execution, call, {
      ...asked,
      node: key,
      kind: "human",
      name: `interrupt:${pool}`,
      class: "idempotent",
      input: call.input,
    });
    throw new Error(`The interrupt ${key} was answered before it was asked: ${JSON.stringify(ended)}`);
  }
}

/** True for what LangGraph's `interrupt()` throws. */
export function isInterruptError(thrown: unknown): thrown is GraphInterrupt {
  return thrown instanceof Error && isGraphInterrupt(thrown);
}

/** What people are shown: the whole value is recorded, and one line of it is the question. */
function questionOf(pool: string, pending: Pending): JsonValue {
  const value = encode(pending.value);
  return plain({ question: textOf(value), pool, answer: pending.response_schema ?? {}, value }, "interrupt");
}

const TEXTS = ["question", "message", "text"] as const;

function textOf(value: JsonValue): string {
  if (typeof value === "string") return value;
  for (const key of TEXTS) {
    const text = typeof value === "object" && value !== null ? (value as Record<string, JsonValue>)[key] : undefined;
    if (typeof text === "string" && text !== "") return text;
  }
  return JSON.stringify(value);
}
