import type { Call } from "./call.ts";
import { decode } from "./codec.ts";
import { CallFailedError } from "./errors.ts";
import { passGate } from "./gate.ts";

/** Passes the gate and turns the recorded outcome into what the node sees. */
export async function settleCall(name: string, call: Call): Promise<unknown> {
  const outcome = await passGate(call);
  if (outcome.ok) return decode(outcome.value);
  throw new CallFailedError(name, outcome.error);
}
