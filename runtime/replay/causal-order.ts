import type { JournalEvent } from "../core/events.ts";

/**
 * Puts the events of a session's runs into one order in which nothing comes before what caused it: a
 * run's own events stay in order, a run starts after the event that asked for it, and an answer is taken
 * after the answering run's end. Between events that do not depend on each other the clock decides, and
 * where it is equal the run's id, so that the order is the same for everybody.
 *
 * @param runs the events of each run, each in the order of its sequence numbers.
 */
export function causalOrder(runs: readonly (readonly JournalEvent[])[]): JournalEvent[] {
  const cursors = runs.filter((events) => events.length > 0).map((events) => ({ events, next: 0 }));
  const present = new Set(runs.flatMap((events) => (events[0] ? [events[0].run] : [])));
  const reached = new Map<string, number>();
  const ordered: JournalEvent[] = [];
  for (;;) {
    let best: { events: readonly JournalEvent[]; next: number } | null = null;
    let bestEvent: JournalEvent | null = null;
    let blocked: { events: readonly JournalEvent[]; next: number } | null = null;
    for (const cursor of cursors) {
      const event = cursor.events[cursor.next];
      if (!event) continue;
      blocked ??= cursor;
      const cause = causeOf(event);
      // A cause that is not part of what we were given cannot be waited for.
      if (cause && present.has(cause.run) && (reached.get(cause.run) ?? 0) < cause.seq) continue;
      if (!bestEvent || event.at < bestEvent.at || (event.at === bestEvent.at && event.run < bestEvent.run)) {
        best = cursor;
        bestEvent = event;
      }
    }
    // Causes that wait for each other cannot come from Signalbox; a tampered record is shown all the same.
    best ??= blocked;
    const event = best?.events[best.next];
    if (!best || !event) return ordered;
    best.next++;
    reached.set(event.run, event.seq);
    ordered.push(event);
  }
}

/** The event of another run that an event follows from, where there is one. */
export function causeOf(event: JournalEvent): { readonly run: string; readonly seq: number } | null {
  if (event.type === "run_started") return event.data.cause ?? null;
  if (event.type === "effect_finished") return event.data.child ?? null;
  return null;
}
