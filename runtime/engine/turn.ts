import type { Proposal } from "../core/events.ts";
import type { Turn } from "../core/turns.ts";
import type { Attempt } from "./attempt.ts";
import type { Call } from "./call.ts";
import type { NodeExecution } from "./node-execution.ts";
import { recordableError } from "./recordable-error.ts";

/** The right to make one call now. */
export interface HeldTurn {
  /** Gives it back; a second time changes nothing. */
  give(): void;
}

/** After how long a call that had no turn asks again, as long as its run has not parked: most queues are short. */
const FIRST_DELAYS_MS = [50, 100, 200, 400];
/** The same for a run that parks: it is woken when it is its turn, and only asks in case that is lost. */
const PARKED_DELAY_MS = 15_000;
const LONGEST_DELAY_MS = 300_000;

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
 * queue at a tool holds no worker up, and whoever gives a turn back wakes the run that has waited longest. Whoever
 * dies with a turn gives it back when the call must be over.
 */
async function turnFor(
  execution: NodeExecution,
  call: Call & { readonly concurrency: number },
  { effect }: Proposal,
): Promise<HeldTurn> {
  const { attempt } = execution;
  const turn = { of: call.action, run: attempt.head.run, effect };
  // Whoever hands turns out passes over runs that are not there.
  if (attempt.recorded) await attempt.recorded.catch(() => execution.hang());
  const parked = attempt.record.turns.get(effect) ?? 0;
  const delays = parked === 0 ? [...FIRST_DELAYS_MS] : [];
  while (!(await attempt.turns.take(turn, call.concurrency, call.timeoutMs + attempt.limits.leaseMs))) {
    const waitMs = delays.shift() ?? Math.min(PARKED_DELAY_MS * 2 ** parked, LONGEST_DELAY_MS);
    const dueAt = Math.ceil(attempt.now() + waitMs * (0.5 + Math.random() / 2));
    await execution.waitUntil({ kind: "turn", effect, of: call.action, dueAt });
  }
  // The run has been stopped meanwhile: nothing more is called.
  if (attempt.stopping) {
    giveBack(attempt, turn);
    return execution.hang();
  }
  let held = true;
  return {
    give: () => {
      if (held) giveBack(attempt, turn);
      held = false;
    },
  };
}

/** One that could not be given back ends by itself. */
function giveBack(attempt: Attempt, turn: Turn): void {
  attempt.turns.give(turn).catch((error: unknown) => {
    attempt.tellTrouble("a turn was not given back", recordableError(error), { of: turn.of });
  });
}
