/** A point of a session's record: right after one event of one run. */
export interface Position {
  readonly run: string;
  readonly seq: number;
}

/** How a position stands in the URL: `<run>.<seq>`. */
export function positionText(position: Position): string {
  return `${position.run}.${String(position.seq)}`;
}

/** Reads a position back; undefined for anything else, so that a mangled link shows the newest point. */
export function parsePosition(text: string | undefined): Position | undefined {
  const match = /^([0-9a-f-]{1,64})\.([1-9][0-9]{0,9})$/.exec(text ?? "");
  return match?.[1] === undefined ? undefined : { run: match[1], seq: Number(match[2]) };
}
