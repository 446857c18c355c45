import type { RunRecord } from "./run-record.ts";

/** Between the key of a node and what tells apart the graphs inside it. */
export const GRAPH_SIGN = "~";
/** Between the key of a node, or of a graph inside it, and the keys of the nodes inside. */
export const INSIDE_SIGN = "|";

/** True for the key of a node execution inside another one. */
export function isInside(node: string, outer: string): boolean {
  return node.startsWith(outer + INSIDE_SIGN) || node.startsWith(outer + GRAPH_SIGN);
}

/** True for the nodes of a graph inside a node that has finished: they do not run again. */
export function isInsideFinished(record: Pick<RunRecord, "nodes">, node: string): boolean {
  for (let end = node.lastIndexOf(INSIDE_SIGN); end !== -1; end = node.lastIndexOf(INSIDE_SIGN, end - 1)) {
    const enclosing = node.slice(0, end);
    // What stands behind the sign tells apart the graphs inside one node.
    const sign = enclosing.lastIndexOf(GRAPH_SIGN);
    if (record.nodes.has(enclosing) || (sign !== -1 && record.nodes.has(enclosing.slice(0, sign)))) return true;
  }
  return false;
}

/** What the channels' hash after a superstep is recorded under: the graph is empty for the run's own. */
export function superstepKey(graph: string, step: number): string {
  return `${graph}:${String(step)}`;
}
