/**
 * Hands results over to the code of a node: one turn of the event loop for each, in the order in which they came, so
 * that code which awaits several things at once takes the same course each time.
 */
export class Delivery {
  #last: Promise<void> = Promise.resolve();
  #stopped = false;

  /** Resolves when this has been handed over, or passed over because the delivery has stopped. */
  deliver(hand: () => void): Promise<void> {
    this.#last = this.#last.then(
      () =>
        new Promise<void>((resolve) => {
          setImmediate(() => {
            if (!this.#stopped) hand();
            resolve();
          });
        }),
    );
    return this.#last;
  }

  /** Lets so many turns pass. */
  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.deliver(() => undefined);
  }

  /** The code is given nothing more. */
  stop(): void {
    this.#stopped = true;
  }
}
