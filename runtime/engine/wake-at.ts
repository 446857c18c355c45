import type { Wait } from "../core/events.ts";

/** When a run that parks is woken even if nothing comes for it; null if only something that comes wakes it. */
export function wakeAt(waits: readonly Wait[], deadline: number | undefined): number | null {
  const times = [...waits.flatMap((wait) => timeOf(wait) ?? []), ...(deadline === undefined ? [] : [deadline])];
  return times.length === 0 ? null : Math.min(...times);
}

/** When a wait is over by itself. */
function timeOf(wait: Wait): number | undefined {
  if (wait.kind === "message") return wait.until;
  return "dueAt" in wait ? wait.dueAt : undefined;
}
