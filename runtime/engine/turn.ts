import type { Proposal } from "../core/events.ts";
import type { Call } from "./call.ts";
import type { NodeExecution } from "./node-execution.ts";

/** The right to make one call now. */
export interface HeldTurn {
  /** Gives it back; a second time changes nothing. */
  give(): void;
}

/** After how long a call that had no turn asks again: each time twice as long. */
const FIRST_DELAY_MS = 50;
/** The same for a run that has parked meanwhile. */
const PARKED_DELAY_MS = 2_000;
const LONGEST_DELAY_MS = 15_000;

/** Of a call that needs none. */
const FREE_TURN: HeldTurn = { give: () => undefined };

/** Does what needs a turn: at once where there is no bound, so that calls begin in the order in which they are asked for. */
export function inTurn<T>(
  execution: NodeExecution,
  call: Call,
  proposal: Proposal,
  work: (turn: HeldTurn) => Promise<T>,
): Promise<T> {
  const { concurrency } = call;
  if (concurrency === undefined) return work(FREE_TURN);
  return turnFor(execution, { ...call, concurrency }, proposal).then(work);
}

/**
 * Waits until a call may be made, where only so many may be under way at once. What waits for long parks its run: a
 * queue at a tool holds no worker up, and asks the more rarely the longer it has waited. Whoever dies with a turn
 * gives it back when the call must be over.
 */
async function turnFor(
  execution: NodeExecution,
  call: Call & { readonly concurrency: number },
  { effect }: Proposal,
): Promise<HeldTurn> {
  const { concurrency } = call;
  const { attempt } = execution;
  const turn = { of: call.action, run: attempt.head.run, effect };
  const parked = attempt.record.turns.get(effect) ?? 0;
  const firstMs = parked === 0 ? FIRST_DELAY_MS : PARKED_DELAY_MS * 2 ** (parked - 1);
  for (let waitMs = firstMs; ; waitMs = Math.min(2 * waitMs, LONGEST_DELAY_MS)) {
    if (await attempt.turns.take(turn, concurrency, call.timeoutMs + attempt.limits.leaseMs)) break;
    const dueAt = Math.ceil(attempt.now() + Math.min(waitMs, LONGEST_DELAY_MS) * (0.5 + Math.random() / 2));
    await execution.waitUntil({ kind: "turn", effect, of: call.action, dueAt });
  }
  // The run has been stopped meanwhile: nothing more is called.
  if (attempt.stopping) {
    attempt.giveTurn(turn);
    return execution.hang();
  }
  let held = true;
  return {
    give: () => {
      if (held) attempt.giveTurn(turn);
      held = false;
    },
  };
}
