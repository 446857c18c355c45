/** Node fires timers with a longer time at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The longest that a run may wait for a time: what waits longer has been forgotten by everybody. */
export const LONGEST_SLEEP_MS = 10 * 365 * 24 * 3_600_000;
