/** Who has a turn, and for how long at most: then it counts no more, whatever became of who had it. */
export interface Turn {
  /** What only so many may use at once: a tool. */
  readonly of: string;
  readonly run: string;
  readonly effect: string;
}

/**
 * Keeps the number of calls that are under way at once, on all workers together, within a limit. Turns are handed out
 * in the order in which they were asked for.
 */
export interface Turns {
  /**
   * Takes a turn if one is free and nobody has waited for longer. Else it is asked for from now on: the run is woken
   * when it is its turn. Asking again keeps the turn, or the place.
   */
  take(turn: Turn, atMost: number, forMs: number): Promise<boolean>;
  /** Gives it back, or does not wait for it any more. Whoever has waited longest is next, and is woken. */
  give(turn: Turn): Promise<void>;
  /** Hands out what those had who are gone. */
  handOut(): Promise<void>;
}
