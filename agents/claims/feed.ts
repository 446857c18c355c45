import { readFile } from "node:fs/promises";
import type { Sample } from "signalbox";

/** Any value that JSON can carry. */
export type Json = Sample["runs"][number]["input"];

/** One line of the feed, ready to start a session of the agent `intake`. */
export interface FeedItem {
  /** The record's claim id, or `line-07` where it has none: starting twice with one key is one session. */
  readonly key: string;
  /** From 1. */
  readonly line: number;
  readonly input: {
    /** The record as it came, whatever it is; the raw text of the line if `unreadable` is there. */
    readonly record: Json;
    /** Why the line could not be taken as JSON. */
    readonly unreadable?: string;
  };
}

/** The bundled feed: motor and household claims, good and bad, in the order in which they were reported. */
export async function readFeed(): Promise<FeedItem[]> {
  return parseFeed(await readFile(new URL("./data/claims.jsonl", import.meta.url), "utf8"));
}

/** Splits a feed into its lines. A line that is no JSON is not an error here: it too becomes a session. */
export function parseFeed(text: string): FeedItem[] {
  return text.split("\n").flatMap((raw, i) => {
    if (raw.trim() === "") return [];
    const line = i + 1;
    const input = parseLine(raw);
    return [{ key: keyOf(input.record, line), line, input }];
  });
}

function parseLine(raw: string): FeedItem["input"] {
  let record: Json;
  try {
    record = JSON.parse(raw) as Json;
  } catch {
    return { record: raw.toWellFormed(), unreadable: "it is not JSON" };
  }
  const problem = lossOf(record);
  return problem === undefined ? { record } : { record: raw.toWellFormed(), unreadable: problem };
}

/** What of a parsed value cannot be recorded exactly; then the raw text is recorded instead. */
function lossOf(value: unknown): string | undefined {
  if (typeof value === "number") {
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) return "it holds a whole number beyond 2^53";
    if (!Number.isFinite(value) || Object.is(value, -0)) return "it holds a number that cannot be kept exactly";
  }
  if (typeof value === "string" && !value.isWellFormed()) return "it holds half of a surrogate pair";
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const problem = key === "__proto__" ? "it holds the key __proto__" : (lossOf(key) ?? lossOf(inner));
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function keyOf(record: unknown, line: number): string {
  const id: unknown = typeof record === "object" && record !== null && "claimId" in record ? record.claimId : undefined;
  return typeof id === "string" && /^[A-Za-z0-9-]{1,40}$/.test(id) ? id : `line-${String(line).padStart(2, "0")}`;
}
