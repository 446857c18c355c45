/** Who has a turn, and for how long at most: then it counts no more, whatever became of who had it. */
export interface Turn {
  /** What only so many may use at once: a tool. */
  readonly of: string;
  readonly run: string;
  readonly effect: string;
}

/** Keeps the number of calls that are under way at once, on all workers together, within a limit. */
export interface Turns {
  /** Takes a turn if fewer than `atMost` have one. Asking again with the same turn keeps it. */
  take(turn: Turn, atMost: number, forMs: number): Promise<boolean>;
  /** Gives it back. A turn that is over already changes nothing. */
  give(turn: Turn): Promise<void>;
}
