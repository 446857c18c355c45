import type { Wait } from "../core/events.ts";
import { LONGEST_TIMER_MS } from "./longest-timer.ts";

/** A wait that ends by itself. */
export type TimedWait = Extract<Wait, { readonly dueAt: number }>;

/** What a sleep is called. */
export const SLEEP = "clock.sleep";

/** How long a node that waits only for a time stays where it is, instead of parking its run. */
const SOON_MS = 1_000;

/** What one node execution waits for. */
export class NodeWaits {
  /** Milliseconds since the epoch by the database's clock. */
  readonly #now: () => number;
  readonly #waits = new Map<string, Wait>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Ends the waits for a turn, to ask again. */
  readonly #nudges = new Set<() => void>();
  #stopped = false;

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#waits.size;
  }

  all(): Wait[] {
    return [...this.#waits.values()];
  }

  add(wait: Wait): void {
    this.#waits.set(wait.effect, wait);
  }

  /** @returns what was waited for */
  drop(effect: string): Wait | undefined {
    const wait = this.#waits.get(effect);
    this.#waits.delete(effect);
    return wait;
  }

  /** It waits for nothing but this. */
  setOnly(wait: Wait): void {
    this.#waits.clear();
    this.add(wait);
  }

  /** Resolves when the time of this wait has come, or, where it waits for a turn, when it may be its turn. */
  over(wait: TimedWait): Promise<void> {
    return new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const over = (): void => {
        clearTimeout(timer);
        if (timer) this.#timers.delete(timer);
        this.#nudges.delete(over);
        resolve();
      };
      const look = (): void => {
        if (timer) this.#timers.delete(timer);
        const leftMs = wait.dueAt - this.#now();
        if (leftMs <= 0) {
          over();
          return;
        }
        timer = setTimeout(look, Math.min(Math.ceil(leftMs), LONGEST_TIMER_MS));
        this.#timers.add(timer);
      };
      if (wait.kind === "turn") this.#nudges.add(over);
      if (!this.#stopped) look();
    });
  }

  /** Whoever waits for a turn asks for it now. */
  nudge(): void {
    if (!this.#stopped) for (const nudge of [...this.#nudges]) nudge();
  }

  /** True if something comes so soon that parking would not be worth its cost. */
  get soonOver(): boolean {
    const soon = this.#now() + SOON_MS;
    return this.all().some((wait) => "dueAt" in wait && wait.dueAt <= soon);
  }

  /** None of them ends any more in this attempt. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
