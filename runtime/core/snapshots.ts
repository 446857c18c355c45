import { sha256 } from "./canonical.ts";
import { verifyChain, type StoredEvent } from "./chain.ts";
import type { JournalEvent } from "./events.ts";
import type { RunHead } from "./journal.ts";

/** A snapshot that the run's own chain vouches for, and what is recorded besides. */
export interface KeptSnapshot {
  readonly text: string;
  /** The run's first event. The chain does not vouch for it here: what goes on from the snapshot compares its hash. */
  readonly first: JournalEvent;
  /** The event before the one that names the snapshot, that one, and everything since. */
  readonly events: readonly JournalEvent[];
}

export type FoundSnapshot =
  | { readonly kind: "none" }
  /** What is stored is not what the run's chain says: the whole record has to be read. */
  | { readonly kind: "unusable"; readonly why: string }
  | { readonly kind: "kept"; readonly snapshot: KeptSnapshot };

/** Where runs' snapshots are kept: the newest of each. Losing them loses time and nothing else. */
export interface Snapshots {
  /** Looks for the run's snapshot, and checks the chain from it to the head. */
  newest(head: RunHead): Promise<FoundSnapshot>;
  /**
   * Keeps a snapshot in the place of the one before, unless the run has ended. To be called when the event that names
   * it (`seq`) is durable.
   */
  keep(run: string, seq: number, text: string): Promise<void>;
}

/**
 * Whether a run's chain vouches for a snapshot.
 *
 * @param events the event before the one that is said to name it, that one, and everything since, as stored
 * @returns why it does not, or null
 */
export function doubtOf(text: string, seq: number, events: readonly StoredEvent[], head: RunHead): string | null {
  const [before, names, ...since] = events;
  if (before?.seq !== seq - 1 || names?.seq !== seq) return "The event that names it is missing.";
  if (names.type !== "snapshot_taken" || names.data === null) return "The event that is to name it names none.";
  const { hash } = JSON.parse(names.data) as { readonly hash: string };
  if (sha256(text) !== hash) return "It is not what was recorded.";
  const bad = verifyChain([names, ...since], head, before);
  return bad === null ? null : `The chain from it to the head breaks at the event ${String(bad.seq)}.`;
}
