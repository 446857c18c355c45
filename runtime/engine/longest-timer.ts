/** Node fires timers with a longer time at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;
