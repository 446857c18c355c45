import type { CallContext } from "./call.ts";
import type { CallOwner } from "./call-signals.ts";
import { CallTimeoutError } from "./errors.ts";
import { LONGEST_TIMER_MS } from "./longest-timer.ts";
import { currentPlace } from "./place.ts";

/**
 * Runs one call within its time. Its signal aborts when the time is up, or when the attempt is over; a call
 * that does not listen is left to itself.
 *
 * @throws {@link CallTimeoutError}, and what the call throws.
 */
export function withinTime<T>(
  owner: CallOwner,
  call: { readonly action: string; readonly timeoutMs: number; readonly effectId: string },
  work: (context: CallContext) => Promise<T>,
): Promise<T> {
  const { action, timeoutMs, effectId } = call;
  const cutOff = owner.beginCall();
  const context: CallContext = {
    effectId,
    get signal() {
      return cutOff.signal;
    },
  };
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(
      () => {
        owner.endCall(cutOff);
        reject(
          new CallTimeoutError(
            `${action} took longer than its ${String(timeoutMs)} ms. Raise the tool's timeoutMs if that is normal.`,
            { details: { action, timeoutMs } },
          ),
        );
        cutOff.abort();
      },
      Math.min(timeoutMs, LONGEST_TIMER_MS),
    );
    const over = (): void => {
      clearTimeout(timer);
      owner.endCall(cutOff);
    };
    // A tool is outside every node: a handle that it calls is refused, because nothing would call it in a replay.
    const failed = (error: unknown): void => {
      over();
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as it was thrown
      reject(error);
    };
    try {
      currentPlace.run(undefined, work, context).then((value) => {
        over();
        resolve(value);
      }, failed);
    } catch (error) {
      failed(error);
    }
  });
}
