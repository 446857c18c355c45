import { canonicalJson } from "./canonical.ts";
import type { EventData, Wait } from "./events.ts";

type Parked = EventData<"run_parked">;

/** So few are always written out, for whoever reads the event. */
const FEW = 8;

/**
 * What a park records of a run that waits for these: all of it, or, where it is much and it waited for most of it
 * before, what is new and what is over. A run that waits for many things, of which one after the other comes, would
 * otherwise write all that are left each time.
 *
 * @param before what it waited for when it last parked; null if that is not known to whoever reads from the newest
 *   snapshot on
 */
export function parkedWith(before: readonly Wait[] | null, waits: readonly Wait[]): Parked {
  const all: Parked = { waits: [...waits] };
  if (waits.length <= FEW) return all;
  const known = before && byEffect(before);
  const now = byEffect(waits);
  if (!known || !now) return all;
  const added = waits.filter((wait) => !isSame(known.get(wait.effect), wait));
  const over = [...known.keys()].filter((effect) => !now.has(effect));
  return added.length + over.length < waits.length ? { waits: added, over } : all;
}

/** What a run waits for that has parked so, having waited for `before` when it last did. */
export function waitsOf({ waits, over }: Parked, before: readonly Wait[] | null): readonly Wait[] {
  if (over === undefined) return waits;
  const gone = new Set([...over, ...waits.map(({ effect }) => effect)]);
  return [...(before ?? []).filter(({ effect }) => !gone.has(effect)), ...waits];
}

/** Null where an effect waits for two things: then a name does not say which. */
function byEffect(waits: readonly Wait[]): ReadonlyMap<string, Wait> | null {
  const found = new Map(waits.map((wait) => [wait.effect, wait]));
  return found.size === waits.length ? found : null;
}

function isSame(a: Wait | undefined, b: Wait): boolean {
  return a !== undefined && canonicalJson(a) === canonicalJson(b);
}
