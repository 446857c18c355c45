/** A promise with its ends in hand. Node 20 has no `Promise.withResolvers`. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** The same, where hardly anybody asks for the promise: it is made for who does. */
export class LazyDeferred<T> {
  #settled: { readonly value: T } | { readonly error: unknown } | null = null;
  #deferred: Deferred<T> | null = null;

  get promise(): Promise<T> {
    if (!this.#deferred) {
      this.#deferred = deferred();
      // Whoever asked for it may stop waiting.
      this.#deferred.promise.catch(() => undefined);
      this.#tell();
    }
    return this.#deferred.promise;
  }

  resolve(value: T): void {
    this.#settled ??= { value };
    this.#tell();
  }

  reject(error: unknown): void {
    this.#settled ??= { error };
    this.#tell();
  }

  #tell(): void {
    if (!this.#settled || !this.#deferred) return;
    if ("error" in this.#settled) this.#deferred.reject(this.#settled.error);
    else this.#deferred.resolve(this.#settled.value);
  }
}
