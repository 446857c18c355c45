/** The oldest servers that Signalbox works with. */
export const OLDEST = {
  node: "20.19",
  /** The first whose `initdb` takes ICU locales. */
  postgres: "15",
  /** The first with HNSW indexes. */
  pgvector: "0.5",
  /** The first that honours what our streams are made with; 2.9 ignores some of it without a word. */
  nats: "2.10",
} as const;

/** The first dotted number in a text: "postgres (PostgreSQL) 17.5 (Debian …)" gives "17.5". */
export function findVersion(text: string): string | undefined {
  return /\d+(\.\d+)*/.exec(text)?.[0];
}

/** Whether one dotted version is another or newer. */
export function isAtLeast(version: string, oldest: string): boolean {
  const have = version.split(".").map(Number);
  const want = oldest.split(".").map(Number);
  for (let i = 0; i < want.length; i++) {
    const difference = (have[i] ?? 0) - (want[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
