const UNITS = 8;

/** Enough of a run's id to tell it from others: its end, because the ids of one minute begin alike. */
export function shortId(id: string): string {
  return id.slice(-UNITS);
}
