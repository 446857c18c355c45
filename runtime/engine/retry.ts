import { isRepeatable } from "../core/effects.ts";
import type { EffectOutcome } from "../core/events.ts";
import type { Call, Retry } from "./call.ts";
import { InvalidOutputError } from "./errors.ts";

/** The part of a delay that is left to chance, so that what failed together does not come back together. */
const JITTER = 0.5;

/**
 * How long to wait before a call that has failed so many times is made again; null if it is not.
 *
 * @param thrown what the last try threw
 */
export function nextTry(
  call: Pick<Call, "class" | "retry">,
  outcome: EffectOutcome,
  thrown: unknown,
  failures: number,
): number | null {
  const { retry } = call;
  if (outcome.ok || !retry || !isRepeatable(call.class) || failures >= retry.maxAttempts) return null;
  // The call did happen, and would give the same again.
  if (outcome.error.code === InvalidOutputError.code) return null;
  if (retry.retryOn && !wants(retry.retryOn, thrown)) return null;
  return delayMs(retry, failures);
}

/** Exponential, with jitter: between half and all of `firstDelayMs · factor^(failures − 1)`, at most `maxDelayMs`. */
export function delayMs(retry: Pick<Retry, "firstDelayMs" | "factor" | "maxDelayMs">, failures: number): number {
  const full = Math.min(retry.maxDelayMs, retry.firstDelayMs * retry.factor ** (failures - 1));
  return full * (1 - JITTER * Math.random());
}

/** A predicate that throws wants nothing. */
function wants(retryOn: (error: unknown) => boolean, thrown: unknown): boolean {
  try {
    return retryOn(thrown);
  } catch {
    return false;
  }
}
