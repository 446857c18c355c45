import type { CallOwner } from "./call-signals.ts";
import { CallTimeoutError } from "./errors.ts";
import { guardListeners } from "./guarded-signal.ts";
import { LONGEST_TIMER_MS } from "./longest-timer.ts";
import { currentPlace } from "./place.ts";

/**
 * Runs one call within its time. The signal aborts when the time is up, or when the attempt is over; a call
 * that does not listen is left to itself.
 *
 * @throws {@link CallTimeoutError}, and what the call throws.
 */
export async function withinTime<T>(
  owner: CallOwner,
  call: { readonly action: string; readonly timeoutMs: number },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { action, timeoutMs } = call;
  const controller = owner.beginCall();
  guardListeners(controller.signal, (error) => {
    owner.listenerFailed(error);
  });
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
        controller.abort();
      },
      Math.min(timeoutMs, LONGEST_TIMER_MS),
    );
  });
  try {
    // A tool is outside every node: a handle that it calls is refused, because nothing would call it in a replay.
    return await Promise.race([currentPlace.run(undefined, () => work(controller.signal)), timedOut]);
  } finally {
    clearTimeout(timer);
    owner.endCall(controller);
  }
}
