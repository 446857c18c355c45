import type { JournalEvent } from "./events.ts";

/** An event with its place in the causal order of its session. */
export interface PlacedEvent {
  readonly event: JournalEvent;
  /** Its time, or that of what caused it where clocks disagree: never earlier than its causes'. */
  readonly time: number;
  /** One more than the largest of its causes'. */
  readonly depth: number;
}

/** The event of another run that an event follows from, where there is one. */
export function causeOf(event: JournalEvent): { readonly run: string; readonly seq: number } | null {
  if (event.type === "run_started") return event.data.cause ?? null;
  if (event.type === "effect_finished") return event.data.child ?? null;
  if (event.type === "message_received") return event.data.sender ?? null;
  return null;
}

/** Places an event after its causes: the run's previous event, and what it points at in another run. */
export function placeAfter(event: JournalEvent, causes: readonly PlacedEvent[]): PlacedEvent {
  return {
    event,
    time: causes.reduce((latest, cause) => Math.max(latest, cause.time), event.at),
    depth: causes.reduce((deepest, cause) => Math.max(deepest, cause.depth), 0) + 1,
  };
}

/** Causes first; then by time, run and sequence number, so that the order is the same for everybody. */
export function compareCausally(a: PlacedEvent, b: PlacedEvent): number {
  if (a.time !== b.time) return a.time - b.time;
  if (a.depth !== b.depth) return a.depth - b.depth;
  if (a.event.run !== b.event.run) return a.event.run < b.event.run ? -1 : 1;
  return a.event.seq - b.event.seq;
}

/**
 * Puts the events of a session's runs into one order in which nothing comes before what caused it: a
 * run's own events stay in order, a run starts after the event that asked for it, and an answer is taken
 * after the answering run's end.
 *
 * @param runs the events of each run, in the order of their sequence numbers. A cause that is not among
 *   them is not waited for.
 */
export function causalOrder(runs: readonly (readonly JournalEvent[])[]): JournalEvent[] {
  const queues = runs.map((events) => ({ events, placed: [] as PlacedEvent[] }));
  const byRun = new Map(queues.flatMap((queue) => (queue.events[0] ? [[queue.events[0].run, queue] as const] : [])));
  const find = (run: string, seq: number): PlacedEvent | "later" | null => {
    const queue = byRun.get(run);
    const first = queue?.events[0];
    if (!queue || !first || seq < first.seq || seq >= first.seq + queue.events.length) return null;
    return queue.placed[seq - first.seq] ?? "later";
  };
  let stuck = false;
  for (;;) {
    let moved = false;
    for (const queue of queues) {
      for (let event = queue.events[queue.placed.length]; event; event = queue.events[queue.placed.length]) {
        const pointed = causeOf(event);
        const cause = pointed ? find(pointed.run, pointed.seq) : null;
        // Causes that wait for each other cannot come from Signalbox; a tampered record is shown all the same.
        if (cause === "later" && !stuck) break;
        stuck = false;
        const previous = queue.placed.at(-1);
        queue.placed.push(
          placeAfter(
            event,
            [previous, cause].filter((one) => one !== undefined && one !== null && one !== "later"),
          ),
        );
        moved = true;
      }
    }
    if (moved) continue;
    if (queues.every((queue) => queue.placed.length === queue.events.length)) break;
    stuck = true;
  }
  return queues
    .flatMap((queue) => queue.placed)
    .sort(compareCausally)
    .map((place) => place.event);
}
