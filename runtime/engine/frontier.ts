import type { RunRecord } from "../core/run-record.ts";
import type { RecordedCalls } from "./node-execution.ts";

/** A node execution that had begun to call when the record stops. */
export interface BegunNode {
  readonly node: string;
  /** One of its recorded calls. */
  readonly effect: string;
}

/** What the record of a run holds of node executions that had begun and not finished when it stops. */
export interface Frontier {
  /** By node key. */
  readonly begun: ReadonlyMap<string, BegunNode>;
  callsOf(node: string): RecordedCalls;
}

export function frontierOf(record: RunRecord): Frontier {
  const begun = new Map<string, BegunNode>();
  const open = new Map<string, string[]>();
  for (const [effect, { proposal, status }] of record.effects) {
    const { node } = proposal;
    if (record.nodes.has(node)) continue;
    if (!begun.has(node)) begun.set(node, { node, effect });
    if (status === "finished" || status === "refused") continue;
    const calls = open.get(node);
    if (calls) calls.push(effect);
    else open.set(node, [effect]);
  }
  return {
    begun,
    callsOf: (node) => ({ ends: record.ends.get(node) ?? [], open: open.get(node) ?? [] }),
  };
}
