import { canonicalJson, sha256 } from "../core/canonical.ts";
import type { Pregel } from "./graph-shape.ts";

/** LangGraph's channels that come back from a checkpoint as they were, for what nodes return. */
const STATE = new Set(["LastValue", "BinaryOperatorAggregate", "EphemeralValue", "AnyValue"]);
/** The same for what LangGraph keeps itself: who is to run, and who waits for whom. */
const OWN = new Set([
  "EphemeralValue",
  "Topic",
  "NamedBarrierValue",
  "NamedBarrierValueAfterFinish",
  "LastValueAfterFinish",
]);

/**
 * What a snapshot of a graph's state depends on, as a hash: its nodes, its channels and what they are.
 *
 * @returns null where a channel does not come back from a checkpoint as it was, or might not: an untracked one, or one
 *   of a class that is not LangGraph's.
 */
export function snapshotShape(compiled: Pregel, stateChannels: ReadonlySet<string>): string | null {
  const kinds: [string, string][] = [];
  for (const [name, channel] of Object.entries(compiled.channels)) {
    const { lc_graph_name: kind } = channel as { readonly lc_graph_name?: unknown };
    if (typeof kind !== "string" || kind !== channel.constructor.name) return null;
    if (!(stateChannels.has(name) ? STATE : OWN).has(kind)) return null;
    kinds.push([name, kind]);
  }
  const byName = ([a]: [string, string], [b]: [string, string]): number => (a < b ? -1 : 1);
  return sha256(canonicalJson({ channels: kinds.sort(byName), nodes: Object.keys(compiled.nodes).sort() }));
}
