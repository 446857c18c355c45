import { randomUUID } from "node:crypto";
import type { CompiledGraph, GraphBuilder } from "../../agents/define-agent.ts";
import type { JournalEvent } from "../../runtime/core/events.ts";
import type { World } from "./langgraph/world.ts";
import { ShapeRun, shapeAgent } from "./shapes.ts";

/** As many snapshots as can be. */
export const EACH = { snapshotEvery: 1, storeSnapshotEveryMs: 0 };
export const NONE = { snapshotEvery: Infinity };

export type Shape = (world: World) => GraphBuilder | CompiledGraph;

export function shapeRun(shape: Shape, limits: object, run: string = randomUUID(), dawdle?: () => number): ShapeRun {
  return new ShapeRun((called) => shapeAgent(shape, { called, ...(dawdle ? { dawdle } : {}) }), { run, limits });
}

/** The supersteps after which a snapshot was taken. */
export function snapshotsOf(events: readonly JournalEvent[]): number[] {
  return events.flatMap((event) => (event.type === "snapshot_taken" ? [event.data.step] : []));
}
