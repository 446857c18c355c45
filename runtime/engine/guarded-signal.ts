type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };
type Options = Parameters<AbortSignal["addEventListener"]>[2];

/**
 * Keeps what listeners of a signal throw away from the process. Node raises it as an uncaught exception, which would
 * end the worker and every run on it, because one tool's clean-up failed. What the listener was for is unaffected: a
 * call ends by its promise.
 *
 * It covers listeners of this very signal, also `onabort` and what they reject with; a signal that is derived from it
 * (`AbortSignal.any`) is Node's own.
 */
export function guardListeners(signal: AbortSignal, onError: (error: unknown) => void): void {
  const guarded = new WeakMap<object, (event: Event) => void>();
  const guard = (listener: Listener): ((event: Event) => void) => {
    const known = guarded.get(listener);
    if (known) return known;
    const wrapped = function (this: unknown, event: Event): void {
      try {
        const returned: unknown =
          typeof listener === "function" ? listener.call(signal, event) : listener.handleEvent(event);
        Promise.resolve(returned).catch(onError);
      } catch (error) {
        onError(error);
      }
    };
    guarded.set(listener, wrapped);
    return wrapped;
  };
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  let onabort: ((event: Event) => unknown) | null = null;
  Object.defineProperties(signal, {
    addEventListener: {
      configurable: true,
      value: (type: string, listener: Listener | null, options?: Options): void => {
        if (listener !== null) add(type, guard(listener), options);
      },
    },
    removeEventListener: {
      configurable: true,
      value: (type: string, listener: Listener | null, options?: Options): void => {
        if (listener !== null) remove(type, guard(listener), options);
      },
    },
    onabort: {
      configurable: true,
      get: () => onabort,
      set: (listener: unknown) => {
        if (onabort) remove("abort", guard(onabort));
        onabort = typeof listener === "function" ? (listener as (event: Event) => unknown) : null;
        if (onabort) add("abort", guard(onabort));
      },
    },
  });
}
