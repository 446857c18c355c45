import type { EffectOutcome, EventData, Proposal } from "./events.ts";
import type { Verdict } from "./verdict.ts";

/** A call that has a recorded start. Times are the database's (epoch ms). */
interface BegunCall {
  /** The idempotency key that it was started with. */
  readonly id: string;
  /**
   * When the lease of the attempt that began it had certainly ended, so that nothing of that attempt can begin the
   * call any more; null while that attempt lasts.
   */
  readonly leftAt: number | null;
  /** From when on nothing of it can still arrive; null if no attempt has waited for that yet. */
  readonly settledAt: number | null;
  /** People have approved it, and that is used up: it was, or may have been, called. */
  readonly approved: boolean;
}

/** How far one effect has got, as the journal tells it. */
export type EffectRecord = { readonly proposal: Proposal; readonly firstSeq: number; readonly firstAt: number } & (
  | {
      readonly status: "held";
      readonly approval: string;
      readonly argsHash: string;
      readonly verdict: Verdict;
      readonly decided: DecidedApproval | null;
    }
  | ({ readonly status: "intended"; readonly child: string | null } & BegunCall)
  | ({
      readonly status: "doubted";
      readonly reason: string;
      readonly resolution: EventData<"doubt_resolved"> | null;
    } & BegunCall)
  | { readonly status: "timed"; readonly dueAt: number }
  | { readonly status: "awaiting"; readonly dueAt: number | null }
  | { readonly status: "retrying"; readonly failures: number; readonly dueAt: number; readonly approved: boolean }
  | { readonly status: "refused"; readonly verdict: Verdict }
  | {
      readonly status: "finished";
      readonly outcome: EffectOutcome;
      /** An ask whose answer was not wanted any more. */
      readonly withdrawn?: boolean;
    }
);

export type DecidedApproval = EventData<"approval_decided">;
