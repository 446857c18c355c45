import { delay } from "./wait.ts";

/** For the rest to come: who is not there by then does what it does alone. */
const MEET_MS = 5_000;

/**
 * Seeds of one case that go on at the same time, on the same workers, each with runs of its own. What is done to
 * workers and servers is done once, when all are where they wanted to be: so each seed is hit at its own point.
 */
export class Together {
  /** How many there are. */
  readonly size: number;
  /** How many have not left yet. */
  #members: number;
  readonly #shared = new Map<string, Promise<unknown>>();
  #waiting: (() => void)[] = [];

  constructor(members: number) {
    this.size = members;
    this.#members = members;
  }

  /** Does it for the first that asks; the others get what came of that. */
  share<T>(what: string, make: () => Promise<T>): Promise<T> {
    const made = (this.#shared.get(what) as Promise<T> | undefined) ?? make();
    this.#shared.set(what, made);
    return made;
  }

  /** Resolves once all who are still there wait here, or after so long. */
  async meet(withinMs = MEET_MS): Promise<void> {
    if (this.#waiting.length + 1 >= this.#members) {
      this.#go();
      return;
    }
    await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), delay(withinMs)]);
  }

  leave(): void {
    this.#members--;
    if (this.#waiting.length >= this.#members) this.#go();
  }

  #go(): void {
    for (const go of this.#waiting.splice(0)) go();
  }
}
