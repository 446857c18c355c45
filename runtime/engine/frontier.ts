import { isRepeatable } from "../core/effects.ts";
import { isInside, isInsideFinished } from "../core/node-keys.ts";
import type { RunRecord } from "../core/run-record.ts";
import { isInterrupt } from "./interrupt-key.ts";

/** A node execution that had begun to call when the record stops. */
export interface BegunNode {
  readonly node: string;
  /** One of its recorded calls. */
  readonly effect: string;
}

/** What the journal holds of a node execution that has not finished. */
export interface RecordedCalls {
  /** Calls that have an end, in the order of their ends. */
  readonly ends: readonly string[];
  /** Calls that have a start or are held, and have no end. */
  readonly open: readonly string[];
  /** Calls that ended before the node failed and was tried again: the body may ask for them. */
  readonly kept: ReadonlySet<string>;
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
  const retried = [...record.retries.keys()];
  for (const [effect, { proposal, status }] of record.effects) {
    const { node } = proposal;
    // What a graph inside a finished node had begun does not begin again: the node does not run.
    if (record.nodes.has(node) || isInsideFinished(record, node)) continue;
    if (!begun.has(node)) begun.set(node, { node, effect });
    // LangGraph's interrupts have no turn among the ends of calls: that they are reached again is what counts.
    if ((status === "finished" || status === "refused") && !isInterrupt(proposal)) continue;
    // Another try may take another way; only what may have happened has to be asked for again, to be settled.
    const again = retried.some((key) => key === node || isInside(node, key));
    const settles = (status === "intended" || status === "doubted") && !isRepeatable(proposal.class);
    if (again && !settles) continue;
    const calls = open.get(node);
    if (calls) calls.push(effect);
    else open.set(node, [effect]);
  }
  return {
    begun,
    callsOf: (node) => ({
      ends: (record.ends.get(node) ?? []).filter((effect) => {
        const recorded = record.effects.get(effect);
        return !recorded || !isInterrupt(recorded.proposal);
      }),
      open: open.get(node) ?? [],
      kept: record.kept.get(node) ?? NONE,
    }),
  };
}

const NONE: ReadonlySet<string> = new Set();
