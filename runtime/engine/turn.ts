import type { Proposal } from "../core/events.ts";
import type { Call } from "./call.ts";
import type { NodeExecution } from "./node-execution.ts";

/** After how long a call that had no turn asks again: each time twice as long, and then every few seconds. */
const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 4_000;

/**
 * Makes a call when it has its turn, where only so many may be made at once. One that has none yet waits, and parks
 * its run when that takes a while: a queue at a tool holds no worker up.
 */
export async function inTurn<T>(
  execution: NodeExecution,
  call: Call,
  { effect }: Proposal,
  work: () => Promise<T>,
): Promise<T> {
  const { concurrency } = call;
  if (concurrency === undefined) return work();
  const { attempt } = execution;
  const turn = { of: call.action, run: attempt.head.run, effect };
  for (let waitMs = FIRST_DELAY_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_DELAY_MS)) {
    // Longer than the call can take: whoever dies with a turn gives it back by that.
    if (await attempt.turns.take(turn, concurrency, call.timeoutMs + attempt.limits.leaseMs)) break;
    const dueAt = Math.ceil(attempt.now() + waitMs * (0.5 + Math.random() / 2));
    await execution.waitUntil({ kind: "turn", effect, of: call.action, dueAt });
    attempt.assertMayCall();
  }
  try {
    return await work();
  } finally {
    attempt.giveTurn(turn);
  }
}
