/** Does things of one kind one after the other, and those of different kinds at the same time. */
export class InOrder {
  readonly #last = new Map<string, Promise<unknown>>();

  run<T>(kind: string, work: () => Promise<T>): Promise<T> {
    const done = (this.#last.get(kind) ?? Promise.resolve()).then(work);
    const settled = done.catch(() => undefined);
    this.#last.set(kind, settled);
    void settled.then(() => {
      if (this.#last.get(kind) === settled) this.#last.delete(kind);
    });
    return done;
  }
}
