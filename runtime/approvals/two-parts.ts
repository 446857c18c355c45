/** A list in two parts: what waits, oldest first, and then what does not any more, newest first. */
type Part = "waits" | "past";

/** Where a page begins: in which part, and after which row of it; null for its start. */
interface Place {
  readonly part: Part;
  readonly after: string | null;
}

/** A page of a list in two parts, read from its place on, and the cursor of the next. */
export async function pageOfParts<Row>(
  wanted: readonly Part[],
  query: { readonly after?: string | undefined; readonly limit: number },
  /** At most `limit` rows of a part, those that follow the one with the id `after`. */
  read: (part: Part, after: string | null, limit: number) => Promise<Row[]>,
  idOf: (row: Row) => string,
): Promise<{ readonly rows: readonly Row[]; readonly next: string | null }> {
  const from = parsePlace(query.after);
  const begin = Math.max(0, wanted.indexOf(from?.part ?? "waits"));
  const found: (readonly [Part, Row])[] = [];
  for (const part of wanted.slice(begin)) {
    const after = part === from?.part ? from.after : null;
    const left = query.limit + 1 - found.length;
    if (left > 0) for (const row of await read(part, after, left)) found.push([part, row]);
  }
  const page = found.slice(0, query.limit);
  const last = found.length > query.limit ? page.at(-1) : undefined;
  return { rows: page.map(([, row]) => row), next: last ? `${last[0]}.${idOf(last[1])}` : null };
}

/** Null for what is no cursor: then the list begins at its start. */
function parsePlace(cursor: string | undefined): Place | null {
  const match = /^(waits|past)\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(cursor ?? "");
  return match ? { part: match[1] as Part, after: match[2] ?? null } : null;
}
