/** The right to have one run under way. */
export interface Slot {
  /** Gives it back; a second time changes nothing. */
  free(): void;
}

/** A fixed number of slots, given out in the order in which they were asked for. */
export class Slots {
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;
  #open = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Waits for a free slot. */
  async take(): Promise<Slot> {
    if (this.#taken >= this.#limit && !this.#open) {
      // Whoever frees a slot hands it over, so nobody who comes later gets in between.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#taken++;
    }
    return this.#slot();
  }

  /** All slots that are free now. */
  takeFree(): Slot[] {
    const slots: Slot[] = [];
    for (; this.#taken < this.#limit; this.#taken++) slots.push(this.#slot());
    return slots;
  }

  /** Lets everybody who waits go on, slot or no slot: they look for themselves whether there is still work to take. */
  wakeAll(): void {
    this.#open = true;
    for (const resolve of this.#waiting.splice(0)) {
      this.#taken++;
      resolve();
    }
  }

  #slot(): Slot {
    let held = true;
    return {
      free: () => {
        if (!held) return;
        held = false;
        const next = this.#waiting.shift();
        if (next) next();
        else this.#taken--;
      },
    };
  }
}
