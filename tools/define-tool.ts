import type { z } from "zod";
import { SignalboxError } from "../runtime/core/errors.ts";
import type { EffectClass } from "../runtime/core/effects.ts";

/** What a tool is told about the call that it makes. */
export interface ToolContext {
  /** Unique to this effect and the same on every attempt: pass it on as the idempotency key. */
  readonly effectId: string;
  /** Aborts when the call should stop: its time is up, or the run was cancelled. */
  readonly signal: AbortSignal;
}

/**
 * A registered tool. Input and output are checked against their schemas before and after every call.
 * Make one with {@link defineTool}.
 */
export interface Tool<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly effect: EffectClass;
  readonly input: Input;
  readonly output: Output;
  /** How long one call may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How often, and how long after a failure, a call is made again; undefined: once only. */
  readonly retry: (Required<Omit<RetryOptions, "retryOn">> & Pick<RetryOptions, "retryOn">) | undefined;
  /** At most so many calls of it are under way at once, on all workers together. */
  readonly concurrency: number | undefined;
  readonly run: (input: z.output<Input>, context: ToolContext) => Promise<z.input<Output>> | z.input<Output>;
  readonly reconcile?: (
    input: z.output<Input>,
    context: ToolContext,
  ) => Promise<z.input<Output> | null | undefined> | z.input<Output> | null | undefined;
}

/** Any tool, whatever its schemas. */
// Method parameters are contravariant; `never` is the input that every tool's `run` accepts.
export type AnyTool = Omit<Tool, "run" | "reconcile"> & {
  readonly run: (input: never, context: ToolContext) => unknown;
  readonly reconcile?: (input: never, context: ToolContext) => unknown;
};

/** How often, and how long after a failure, a call is made again. Delays have jitter: between half and all of them. */
export interface RetryOptions {
  /** With the first one. */
  maxAttempts: number;
  /** Default 500 ms. */
  firstDelayMs?: number;
  /** By how much each delay is longer than the one before. Default 2. */
  factor?: number;
  /** Default 60,000 ms. */
  maxDelayMs?: number;
  /** Which errors are worth another try. Default: all that `run` throws, and running out of time. */
  retryOn?: (error: unknown) => boolean;
}

export interface ToolOptions<Input extends z.ZodType, Output extends z.ZodType> {
  /** Dotted lower-case words, for example `payments.refund`. Rules name it as `Action::"payments.refund"`. */
  name: string;
  description?: string;
  /** Raise it when the tool's behaviour changes; it is recorded with every call. Default `"1"`. */
  version?: string;
  /** What may happen when the call is repeated after a crash. */
  effect: EffectClass;
  input: Input;
  output: Output;
  /** Default 30,000 ms. */
  timeoutMs?: number;
  /**
   * Makes a failed call again, under the same key, after a delay that outlives the process. Only for tools that are
   * `read` or `idempotent`: what may not be repeated is not.
   */
  retry?: RetryOptions;
  /** At most so many calls of it are under way at once, on all workers together. What has to wait longer parks its run. */
  concurrency?: number;
  /** Makes the call. Its result must fit `output`. */
  run: (input: z.output<Input>, context: ToolContext) => Promise<z.input<Output>> | z.input<Output>;
  /**
   * Finds out whether a call that was started did happen: its result if so, `null` or `undefined` if
   * certainly not. Throw if neither is certain; the call is then in doubt and a person decides.
   */
  reconcile?: (
    input: z.output<Input>,
    context: ToolContext,
  ) => Promise<z.input<Output> | null | undefined> | z.input<Output> | null | undefined;
}

/** A tool's definition is wrong. */
export class InvalidToolError extends SignalboxError {
  static override readonly code = "INVALID_TOOL";
}

const TOOL_NAME = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/;
const RESERVED = new Set(["agent", "memory", "model", "human", "clock", "random", "id"]);
const LONGEST_TIMEOUT_MS = 3_600_000;
const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Defines a tool.
 *
 * @throws {@link InvalidToolError} if the name is not dotted lower-case words, or begins with a word
 *   that Signalbox keeps for its own calls.
 */
export function defineTool<Input extends z.ZodType, Output extends z.ZodType>(
  options: ToolOptions<Input, Output>,
): Tool<Input, Output> {
  const { name } = options;
  if (!TOOL_NAME.test(name)) {
    throw new InvalidToolError(
      `"${name}" is not a tool name. Use lower-case words with dots between them, for example "payments.refund".`,
      { details: { tool: name } },
    );
  }
  const family = name.split(".")[0] ?? "";
  if (RESERVED.has(family)) {
    throw new InvalidToolError(
      `The tool name "${name}" begins with "${family}", which Signalbox keeps for its own calls. Choose another first word.`,
      { details: { tool: name } },
    );
  }
  if (options.reconcile && (options.effect === "read" || options.effect === "idempotent")) {
    throw new InvalidToolError(
      `The tool "${name}" is ${options.effect}, so it is simply called again after a crash and its reconcile would never run. Remove reconcile, or declare the effect that it has.`,
      { details: { tool: name } },
    );
  }
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > LONGEST_TIMEOUT_MS) {
    throw new InvalidToolError(
      `The tool "${name}" has a timeoutMs of ${String(timeoutMs)}. Give a whole number of milliseconds, from 1 to ${String(LONGEST_TIMEOUT_MS)} (an hour). What takes longer is started by one tool and looked up by another.`,
      { details: { tool: name } },
    );
  }
  return Object.freeze({
    name,
    description: options.description ?? "",
    version: options.version ?? "1",
    effect: options.effect,
    input: options.input,
    output: options.output,
    timeoutMs,
    retry: retryOf(name, options),
    concurrency: concurrencyOf(name, options.concurrency),
    run: options.run,
    ...(options.reconcile ? { reconcile: options.reconcile } : {}),
  });
}

const LONGEST_DELAY_MS = 7 * 24 * 3_600_000;

function retryOf(
  tool: string,
  { effect, retry }: { readonly effect: EffectClass; readonly retry?: RetryOptions },
): Tool["retry"] {
  if (!retry) return undefined;
  if (effect !== "read" && effect !== "idempotent") {
    throw new InvalidToolError(
      `The tool "${tool}" is ${effect} and has a retry, but a call that may not be repeated is not made again by itself. Remove retry, or declare the tool idempotent if whatever it calls obeys its effectId.`,
      { details: { tool } },
    );
  }
  const { maxAttempts, firstDelayMs = 500, factor = 2, maxDelayMs = 60_000, retryOn } = retry;
  const wrong =
    !Number.isSafeInteger(maxAttempts) || maxAttempts < 1
      ? "maxAttempts must be a whole number from 1 on"
      : !(factor >= 1 && factor <= 100)
        ? "factor must be from 1 to 100"
        : !(firstDelayMs >= 0 && maxDelayMs >= firstDelayMs && maxDelayMs <= LONGEST_DELAY_MS)
          ? `firstDelayMs must be from 0 to maxDelayMs, and that at most ${String(LONGEST_DELAY_MS)} (a week)`
          : null;
  if (wrong !== null) {
    throw new InvalidToolError(`The retry of the tool "${tool}" is wrong: ${wrong}.`, { details: { tool } });
  }
  return { maxAttempts, firstDelayMs, factor, maxDelayMs, ...(retryOn ? { retryOn } : {}) };
}

function concurrencyOf(tool: string, concurrency: number | undefined): number | undefined {
  if (concurrency === undefined || (Number.isSafeInteger(concurrency) && concurrency >= 1)) return concurrency;
  throw new InvalidToolError(
    `The tool "${tool}" has concurrency: ${String(concurrency)}. Give a whole number from 1 on, or leave it out for no limit.`,
    { details: { tool } },
  );
}
