/** A place in a list that is ordered by a time in milliseconds and then by id: right after one of its rows. */
export interface TimePlace {
  readonly at: number;
  readonly id: string;
}

/** The cursor that stands for a place. */
export function timeCursor({ at, id }: TimePlace): string {
  return `${String(at)}.${id}`;
}

/** The place that a cursor stands for; null for what is none: then the list begins at its start. */
export function parseTimeCursor(cursor: string | undefined): TimePlace | null {
  const match = /^(\d{1,16})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(cursor ?? "");
  return match ? { at: Number(match[1]), id: match[2] ?? "" } : null;
}
