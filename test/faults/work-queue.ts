/**
 * Works in groups, for several takers. Each stays with a group as long as something of it is left, because what it has
 * set up for one work is of use to the next; in the end all help with what was begun.
 */
export class WorkQueue<Work> {
  readonly #fresh: Work[][];
  readonly #begun: Work[][] = [];

  constructor(groups: readonly (readonly Work[])[]) {
    this.#fresh = groups.map((group) => [...group]);
  }

  /** What one taker does, one after the other. */
  *taken(): Generator<Work> {
    for (;;) {
      const group = this.#fresh.shift() ?? this.#largest();
      if (!group) return;
      this.#begun.push(group);
      for (let work = group.shift(); work; work = group.shift()) yield work;
    }
  }

  /** Nothing more is taken. */
  clear(): void {
    this.#fresh.length = 0;
    for (const group of this.#begun) group.length = 0;
  }

  #largest(): Work[] | undefined {
    return this.#begun.filter((group) => group.length > 0).sort((a, b) => b.length - a.length)[0];
  }
}
