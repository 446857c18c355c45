/** The right to have one run under way. */
export interface Slot {
  /** Gives it back; a second time changes nothing. */
  free(): void;
}

/** A fixed number of slots. */
export class Slots {
  readonly #limit: number;
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get free(): number {
    return this.#limit - this.#taken;
  }

  /** A slot that is free now. */
  take(): Slot | undefined {
    if (this.#taken >= this.#limit) return undefined;
    this.#taken++;
    let held = true;
    return {
      free: () => {
        if (!held) return;
        held = false;
        this.#taken--;
      },
    };
  }

  /** All slots that are free now. */
  takeAll(): Slot[] {
    const slots: Slot[] = [];
    for (let slot = this.take(); slot; slot = this.take()) slots.push(slot);
    return slots;
  }
}
