import type { Checkpoint } from "@langchain/langgraph";
import { z } from "zod";
import type { KeptRecord } from "../core/kept-record.ts";
import { encode } from "./codec.ts";
import { NotStorable, packState, unpackState } from "./graph-state.ts";

/** Where the run's own graph stands after a superstep. */
export interface GraphPoint {
  readonly step: number;
  /** The chained hash of its channels, as the superstep's event has it. */
  readonly channels: string;
  readonly checkpoint: Checkpoint;
}

/** What a snapshot says. */
export interface Snapshot {
  readonly run: string;
  /** The hash of the run's first event. */
  readonly first: string;
  /** What the graph has to be like that goes on from it. */
  readonly shape: string;
  readonly point: GraphPoint;
  readonly record: KeptRecord;
}

/** It changes with what is written here, and with what is made of it. */
const FORMAT = "signalbox-snapshot-1";

const path = z.array(z.string());
const versions = z.record(z.string(), z.union([z.string(), z.number()]));
/** The rest is what this release has written itself: its hash says so. */
const storedSnapshot = z.object({
  format: z.literal(FORMAT),
  run: z.string(),
  first: z.string(),
  shape: z.string(),
  step: z.int(),
  channels: z.string(),
  checkpoint: z.object({
    v: z.int(),
    id: z.string(),
    ts: z.string(),
    channel_versions: versions,
    versions_seen: z.record(z.string(), versions),
  }),
  values: z.json(),
  loose: z.array(path),
  same: z.array(z.tuple([path, path])),
  record: z.unknown(),
});

/** @throws {@link NotStorable} or `UnrecordableValueError` where the state cannot be stored so that it comes back the same. */
export function snapshotText({ run, first, shape, point, record }: Snapshot): string {
  const { v, id, ts, channel_versions, versions_seen, channel_values } = point.checkpoint;
  const { values, loose, same } = packState(channel_values);
  const checkpoint = { v, id, ts, channel_versions, versions_seen };
  const { step, channels } = point;
  return JSON.stringify({ format: FORMAT, run, first, shape, step, channels, checkpoint, values, loose, same, record });
}

/** @throws {@link NotStorable} where the text is of another release, or does not come back as it was stored. */
export function readSnapshot(text: string): Snapshot {
  const parsed = storedSnapshot.safeParse(JSON.parse(text));
  if (!parsed.success) throw new NotStorable("Another release of Signalbox wrote it.");
  const { run, first, shape, step, channels, checkpoint, record, ...packed } = parsed.data;
  const values = unpackState(packed);
  if (JSON.stringify(encode(values)) !== JSON.stringify(packed.values)) {
    throw new NotStorable("Its values do not come back as they were stored.");
  }
  const point: GraphPoint = { step, channels, checkpoint: { ...checkpoint, channel_values: values } };
  return { run, first, shape, point, record: record as KeptRecord };
}
