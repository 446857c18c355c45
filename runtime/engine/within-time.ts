import type { Attempt } from "./attempt.ts";
import { CallTimeoutError } from "./errors.ts";

/** Node fires timers with a longer time at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs one call within its time. The signal aborts when the time is up, or when the attempt is over; a call
 * that does not listen is left to itself.
 *
 * @throws {@link CallTimeoutError}, and what the call throws.
 */
export async function withinTime<T>(
  attempt: Pick<Attempt, "signal">,
  call: { readonly action: string; readonly timeoutMs: number },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { action, timeoutMs } = call;
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  // One listener a call, taken away after it: `AbortSignal.any` and `timeout` keep theirs for the full time.
  attempt.signal.addEventListener("abort", abort, { once: true });
  if (attempt.signal.aborted) abort();
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => {
        reject(
          new CallTimeoutError(
            `${action} took longer than its ${String(timeoutMs)} ms. Raise the tool's timeoutMs if that is normal.`,
            { details: { action, timeoutMs } },
          ),
        );
        abort();
      },
      Math.min(timeoutMs, LONGEST_TIMER_MS),
    );
  });
  try {
    return await Promise.race([work(controller.signal), timedOut]);
  } finally {
    clearTimeout(timer);
    attempt.signal.removeEventListener("abort", abort);
  }
}
