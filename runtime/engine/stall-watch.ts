/** A stall is only believed after so many looks, so that one long block of the event loop is not taken for one. */
const LOOKS = 10;

/**
 * Notices that something which should go on by itself has stood still for a while. Time in which the
 * process itself stood still (a long computation, a stopped process) counts as one look only.
 */
export class StallWatch {
  readonly #everyMs: number;
  readonly #stuck: () => boolean;
  readonly #busy: () => boolean;
  readonly #onStall: () => void;
  #timer: NodeJS.Timeout | null = null;
  #looks = 0;

  constructor(
    afterMs: number,
    watched: {
      readonly stuck: () => boolean;
      /** What would get it going is still at work: such time does not count. */
      readonly busy?: () => boolean;
      readonly onStall: () => void;
    },
  ) {
    this.#everyMs = afterMs / LOOKS;
    this.#stuck = watched.stuck;
    this.#busy = watched.busy ?? ((): boolean => false);
    this.#onStall = watched.onStall;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#look();
    }, this.#everyMs).unref();
  }

  /** Something went on. */
  moved(): void {
    this.#looks = 0;
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    this.#looks = 0;
  }

  #look(): void {
    if (!this.#stuck()) {
      this.stop();
      return;
    }
    if (this.#busy()) {
      this.#looks = 0;
      return;
    }
    this.#looks++;
    if (this.#looks < LOOKS) return;
    this.stop();
    this.#onStall();
  }
}
