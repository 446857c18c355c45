import type { Agent } from "../../agents/define-agent.ts";
import type { AnyTool, ToolContext } from "../../tools/define-tool.ts";
import { copyJson, type JsonValue } from "../core/json.ts";
import { issues, parse } from "./arguments.ts";
import type { Reconcile } from "./call.ts";
import { InvalidOutputError } from "./errors.ts";
import type { OpenCallTool } from "./investigate.ts";
import { settleCall } from "./settle-call.ts";

/** Calls a tool: its arguments are checked, then the call passes the gate, then its result is checked. */
export async function callTool(tool: AnyTool, input: unknown): Promise<unknown> {
  const checked = parse(tool.input, input, tool.name);
  const run = tool.run as (input: unknown, context: ToolContext) => unknown;
  const reconcile = reconcileOf(tool, checked);
  return settleCall(tool.name, {
    kind: "tool",
    action: tool.name,
    resource: tool.name,
    class: tool.effect,
    version: tool.version,
    input: checked,
    judged: true,
    timeoutMs: tool.timeoutMs,
    ...(tool.retry ? { retry: tool.retry } : {}),
    ...(tool.concurrency === undefined ? {} : { concurrency: tool.concurrency }),
    // A copy: what the tool does with its arguments must not change what is recorded of them.
    perform: async (context) => outputOf(tool, await run(copyJson(checked), context)),
    ...(reconcile ? { reconcile } : {}),
    output: (value) => outputOf(tool, value),
  });
}

/** What is needed to find out what became of a recorded call, when the graph does not ask for it any more. */
export function openCallTool(agent: Agent, name: string, input: JsonValue): OpenCallTool | undefined {
  const tool = Object.values(agent.tools).find((candidate) => candidate.name === name);
  return (
    tool && {
      timeoutMs: tool.timeoutMs,
      reconcile: reconcileOf(tool, input),
      output: (value) => outputOf(tool, value),
    }
  );
}

function reconcileOf(tool: AnyTool, checked: JsonValue): Reconcile | undefined {
  const reconcile = tool.reconcile as ((input: unknown, context: ToolContext) => unknown) | undefined;
  if (!reconcile) return undefined;
  return async (context) => {
    const found = await reconcile(copyJson(checked), context);
    return found === null || found === undefined ? undefined : { value: outputOf(tool, found) };
  };
}

function outputOf(tool: AnyTool, value: unknown): unknown {
  const parsed = tool.output.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InvalidOutputError(
    `${tool.name} returned something that does not fit its output schema: ${issues(parsed.error)}. The call itself did happen; mend the tool or its schema.`,
    { details: { tool: tool.name } },
  );
}
