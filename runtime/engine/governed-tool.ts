import { CallbackManager } from "@langchain/core/callbacks/manager";
import { ToolMessage, type ToolCall } from "@langchain/core/messages";
import type { RunnableConfig } from "@langchain/core/runnables";
import { StructuredTool, ToolInputParsingException } from "@langchain/core/tools";
import type { z } from "zod";
import { CallRefusedError, InvalidArgumentsError, ModelToolNameError } from "./errors.ts";

/** What a LangChain tool of ours does: one call of a handle, through the gate. */
export interface ToolBody {
  /** As the model knows it: see {@link modelToolName}. */
  readonly name: string;
  readonly description: string;
  readonly schema: z.ZodType;
  readonly call: (input: unknown) => Promise<unknown>;
}

/**
 * One of the agent's tools, or an agent that it may ask, as LangChain code takes it. To invoke it is to call
 * the handle: same effect key, judged, recorded, held for people where a rule says so.
 *
 * Asked by a model (with a tool call), a refusal comes back as an error message that says why, so that the
 * model is told and the agent goes on; asked by code, it is thrown like everywhere else. A call that waits
 * never comes back as an error: its promise stays pending until the run goes on.
 */
export class GovernedTool extends StructuredTool {
  readonly name: string;
  readonly description: string;
  readonly schema: z.ZodType;
  readonly #call: ToolBody["call"];

  constructor({ name, description, schema, call }: ToolBody) {
    super();
    this.name = name;
    this.description = description;
    this.schema = schema;
    this.#call = call;
  }

  static override lc_name(): string {
    return "GovernedTool";
  }

  // LangChain's own would check the arguments and run callbacks first, in turns of their own. The call begins
  // here and now instead, so that calls which are asked for together get their keys in the order of asking.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- LangChain's own signature
  override invoke(input: unknown, config?: RunnableConfig): Promise<any> {
    const asked = toolCallOf(input);
    const result = this.#call(asked ? asked.args : input);
    result.catch(() => undefined);
    return this.#follow(asked, asked ? asked.args : input, result, config);
  }

  override _call(input: unknown): Promise<unknown> {
    return this.#call(input);
  }

  async #follow(
    asked: ToolCall | undefined,
    args: unknown,
    result: Promise<unknown>,
    config: RunnableConfig | undefined,
  ): Promise<unknown> {
    const manager = CallbackManager.configure(
      config?.callbacks,
      this.callbacks,
      config?.tags,
      this.tags,
      config?.metadata,
      this.metadata,
      { verbose: this.verbose },
    );
    const run = await manager?.handleToolStart(
      this.toJSON(),
      JSON.stringify(args),
      config?.runId,
      undefined,
      undefined,
      undefined,
      config?.runName,
      asked?.id,
    );
    try {
      const value = await result;
      const output = asked ? this.#message(asked, contentOf(value), "success") : value;
      await run?.handleToolEnd(output);
      return output;
    } catch (error) {
      await run?.handleToolError(error);
      if (!asked) throw error;
      if (error instanceof CallRefusedError)
        return this.#message(asked, `${error.message} Nothing was called.`, "error");
      // As LangChain's own tools say it, so that whoever runs this one treats it as one of those.
      if (error instanceof InvalidArgumentsError)
        throw new ToolInputParsingException(error.message, JSON.stringify(args));
      throw error;
    }
  }

  #message({ id }: ToolCall, content: string, status: "success" | "error"): ToolMessage {
    return new ToolMessage({ content, status, name: this.name, tool_call_id: id ?? "" });
  }
}

function toolCallOf(input: unknown): ToolCall | undefined {
  const call = input as Partial<ToolCall> | null;
  return typeof call === "object" && call?.type === "tool_call" ? (call as ToolCall) : undefined;
}

/** A result as a model reads it: text as it is, everything else as JSON. */
function contentOf(value: unknown): string {
  if (typeof value === "string") return value;
  const text = JSON.stringify(value, (_key, part: unknown) => {
    if (part instanceof Map) return Object.fromEntries(part) as unknown;
    if (part instanceof Set) return [...part] as unknown;
    return typeof part === "bigint" ? part.toString() : part;
  }) as string | undefined;
  return text ?? "null";
}

/** The longest name that the common models take for a tool. */
const LONGEST_NAME = 64;

/**
 * Names as models take them, letters, digits, `_` and `-`: `payments.refund` becomes `payments_refund`. Each
 * stands for one of ours and no other.
 *
 * @throws {@link ModelToolNameError} if two would have the same name, or one is too long.
 */
export function modelToolNames(names: readonly string[]): ReadonlyMap<string, string> {
  const known = new Map<string, string>();
  for (const name of names) {
    const told = name.replaceAll(".", "_");
    const other = known.get(told);
    if (other !== undefined) {
      throw new ModelToolNameError(
        `A model would know both "${other}" and "${name}" as "${told}", because models take no dots in names. Rename one of them.`,
        { details: { names: [other, name] } },
      );
    }
    if (told.length > LONGEST_NAME) {
      throw new ModelToolNameError(
        `"${name}" is longer than the ${String(LONGEST_NAME)} characters that models take for a tool's name. Shorten it.`,
        { details: { names: [name] } },
      );
    }
    known.set(told, name);
  }
  return new Map([...known].map(([told, name]) => [name, told]));
}
