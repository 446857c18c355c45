/**
 * So many turns are taken before the event loop looks again for what has come from outside. A busy worker's runs would
 * else all make their step first, each time, and whoever waits for a reply of the database, or for a message, would wait
 * that long for each of them.
 */
const TURNS_AT_ONCE = 8;

const waiting: (() => void)[] = [];
let underWay = 0;

/** Does something in a turn of the event loop of its own. */
function inTurnOfLoop(work: () => void): void {
  if (underWay === TURNS_AT_ONCE) {
    waiting.push(work);
    return;
  }
  underWay++;
  setImmediate(() => {
    underWay--;
    const next = waiting.shift();
    if (next) inTurnOfLoop(next);
    work();
  });
}

/**
 * Hands results over to the code of a node: one turn of the event loop for each, in the order in which they came, so
 * that code which awaits several things at once takes the same course each time.
 */
export class Delivery {
  /** What is to be handed over, and turns that are only to pass. */
  readonly #queue: { readonly hand: () => void; readonly always: boolean }[] = [];
  #stopped = false;

  deliver(hand: () => void): void {
    this.#add(hand, false);
  }

  /** Lets so many turns pass. Resolves also when the delivery has stopped. */
  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++)
      await new Promise<void>((resolve) => {
        this.#add(resolve, true);
      });
  }

  /** The code is given nothing more. */
  stop(): void {
    this.#stopped = true;
  }

  #add(hand: () => void, always: boolean): void {
    this.#queue.push({ hand, always });
    if (this.#queue.length === 1) inTurnOfLoop(this.#next);
  }

  readonly #next = (): void => {
    const [first] = this.#queue;
    if (first && (first.always || !this.#stopped)) first.hand();
    // Until here it counts as there: what is added meanwhile gets a turn of its own.
    this.#queue.shift();
    if (this.#queue.length > 0) inTurnOfLoop(this.#next);
  };
}
