import { z } from "zod";
import type { Agent } from "../../agents/define-agent.ts";
import { canonicalJson, sha256 } from "../core/canonical.ts";
import type { JsonValue } from "../core/json.ts";
import { isPregel, type Builder } from "./graph-shape.ts";

/**
 * What a run of this agent depends on when it is replayed, as one hash: the shape of its graph and of the graphs in
 * it, the source of nodes, branch functions and reducers, and the schemas of what it calls and takes. What a tool
 * does inside is not part of it: a call that is on record is not made again.
 */
export function agentVersionOf(agent: Agent, builder: Builder): string {
  return sha256(
    canonicalJson({
      name: agent.name,
      graph: shapeOf(builder),
      input: schemaOf(agent.input),
      output: schemaOf(agent.output),
      tools: Object.entries(agent.tools)
        .map(([handle, { name, version, effect, input, output }]) => ({
          handle,
          name,
          version,
          effect,
          input: schemaOf(input),
          output: schemaOf(output),
        }))
        .sort((a, b) => (a.handle < b.handle ? -1 : 1)),
      asks: Object.entries(agent.agents).map(([handle, { name }]) => [handle, name]),
      source: agent.graph.toString(),
    }),
  );
}

function shapeOf(builder: Builder): JsonValue {
  return {
    nodes: Object.entries(builder.nodes)
      .sort(byName)
      .map(([name, { runnable }]) => [name, sourceOf(runnable)]),
    edges: [...builder.allEdges].map(([from, to]) => [String(from), String(to)]).sort(),
    branches: Object.entries(builder.branches).map(([source, branches]) => [
      source,
      ...Object.entries(branches).map(([name, { path }]) => [name, sourceOf(path)]),
    ]),
    channels: Object.entries(builder.channels)
      .sort(byName)
      .map(([name, channel]) => [name, sourceOf(channel)]),
  };
}

/** The source of what LangGraph has wrapped: a function, a reducer, or a graph of its own. */
function sourceOf(part: unknown): JsonValue {
  if (isPregel(part)) return part.builder ? shapeOf(part.builder) : part.constructor.name;
  if (typeof part !== "object" || part === null) return String(part);
  const { func, operator, bound } = part as { func?: unknown; operator?: unknown; bound?: unknown };
  if (typeof func === "function") return func.toString();
  if (typeof operator === "function") return operator.toString();
  return bound === undefined ? part.constructor.name : sourceOf(bound);
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

function schemaOf(schema: z.ZodType | undefined): JsonValue {
  return schema ? (z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonValue) : null;
}
