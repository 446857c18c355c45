import { LONGEST_TIMER_MS } from "./longest-timer.ts";

/**
 * Calls `passed` when a run's deadline comes, or at once if it has passed already.
 *
 * @param deadline and `now`: epoch ms by the database's clock
 * @returns the timer, for whoever does not want to know any more
 */
export function watchDeadline(deadline: number, now: number, passed: () => void): NodeJS.Timeout | undefined {
  const leftMs = deadline - now;
  if (leftMs <= 0) {
    passed();
    return undefined;
  }
  // No attempt lasts longer than a timer can.
  if (leftMs > LONGEST_TIMER_MS) return undefined;
  return setTimeout(passed, Math.ceil(leftMs));
}
