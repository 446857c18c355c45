import type { Profiler, Runtime } from "node:inspector";
import { ownerOf, type Owner } from "./owners.ts";

const IDLE = "(idle)";
const GARBAGE = "(garbage collector)";

/**
 * Whose code ran at the samples of a CPU profile: the nearest frame's that has an owner, so that natives, WebAssembly and
 * Node's own modules count as whoever called them. Waiting is left out, and what measures.
 *
 * @param fileOf the file that a frame's code was made from, relative to the repository; null if nobody knows
 * @returns microseconds
 */
export function attribute(
  profile: Profiler.Profile,
  fileOf: (frame: Runtime.CallFrame) => string | null,
): Map<Owner, number> {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const owners = new Map<number, Owner>();

  const ownerAt = (id: number): Owner => {
    const known = owners.get(id);
    if (known !== undefined) return known;
    const parent = parents.get(id);
    const owner = ownerOfFrame(frames.get(id)) ?? (parent === undefined ? "node" : ownerAt(parent));
    owners.set(id, owner);
    return owner;
  };
  const ownerOfFrame = (frame: Runtime.CallFrame | undefined): Owner | null => {
    if (frame?.functionName === GARBAGE) return "garbage";
    const file = frame && fileOf(frame);
    return file ? ownerOf(file) : null;
  };

  const times = new Map<Owner, number>();
  for (const [i, id] of (profile.samples ?? []).entries()) {
    if (frames.get(id)?.functionName === IDLE) continue;
    const owner = ownerAt(id);
    if (owner === "harness") continue;
    times.set(owner, (times.get(owner) ?? 0) + (profile.timeDeltas?.[i] ?? 0));
  }
  return times;
}
