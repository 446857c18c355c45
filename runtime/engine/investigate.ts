import type { EffectOutcome, EventData, Proposal, Wait } from "../core/events.ts";
import type { ViewWrite } from "../core/journal.ts";
import type { Attempt } from "./attempt.ts";
import type { Reconcile } from "./call.ts";
import { encode } from "./codec.ts";
import { CallGivenUpError } from "./errors.ts";
import type { TimedWait } from "./node-waits.ts";
import { recordableError } from "./recordable-error.ts";
import { withinTime } from "./within-time.ts";

/** A call that changes something, has a recorded start and no recorded end. */
export interface OpenCall {
  readonly proposal: Proposal;
  /** The idempotency key that the call was started with. */
  readonly id: string;
  /** When it was last started, at the latest (epoch ms, the database's clock). */
  readonly begunBy: number;
  /** From when on nothing of it can still arrive, where that is on record already. */
  readonly settledAt: number | null;
  /** Set where a person has been asked about it, and what that person said. */
  readonly doubt: { readonly resolution: EventData<"doubt_resolved"> | null } | null;
}

/** What is known of the tool that an open call was made with. */
export interface OpenCallTool {
  readonly timeoutMs: number;
  readonly reconcile?: Reconcile | undefined;
  /** Checks a result that a person gave. */
  readonly output?: ((value: unknown) => unknown) | undefined;
}

export type Found =
  | {
      readonly kind: "ended";
      readonly outcome: EffectOutcome;
      readonly via: "reconcile" | "operator";
      readonly by: EventData<"doubt_resolved"> | null;
    }
  /** It did not happen, and nothing that was started before can make it happen any more. */
  | { readonly kind: "not_made"; readonly why: "crash" | "operator" }
  | { readonly kind: "wait"; readonly wait: Extract<Wait, { kind: "doubt" }> | TimedWait };

/**
 * Finds out what became of a call whose end is not in the record: by the word of a person, else by the
 * tool's `reconcile`, else by asking a person.
 */
export async function investigate(attempt: Attempt, open: OpenCall, tool: OpenCallTool): Promise<Found> {
  if (open.doubt) return byPerson(attempt, open, open.doubt.resolution, tool);
  const { proposal } = open;
  const { reconcile } = tool;
  if (!reconcile) {
    return raiseDoubt(
      attempt,
      open,
      `No end of ${proposal.name} is on record: the worker stopped in mid-call, or the call took longer than its ${String(tool.timeoutMs)} ms. The tool has no reconcile to find out whether it happened.`,
    );
  }
  attempt.assertMayCall();
  let found: { readonly value: unknown } | undefined;
  try {
    found = await withinTime(
      attempt.lookups,
      { action: `${proposal.name} (reconcile)`, timeoutMs: tool.timeoutMs, effectId: open.id },
      reconcile,
    );
    if (found) return { kind: "ended", outcome: { ok: true, value: encode(found.value) }, via: "reconcile", by: null };
  } catch (error) {
    if (attempt.over) throw error;
    return raiseDoubt(
      attempt,
      open,
      `Whether ${proposal.name} happened could not be found out: ${recordableError(error).message}`,
    );
  }
  return notMade(attempt, open, tool, "crash");
}

function byPerson(
  attempt: Attempt,
  open: OpenCall,
  resolution: EventData<"doubt_resolved"> | null,
  tool: OpenCallTool,
): Found {
  const { proposal } = open;
  if (!resolution) return { kind: "wait", wait: { kind: "doubt", effect: proposal.effect } };
  switch (resolution.resolution) {
    case "happened":
      return { kind: "ended", outcome: given(resolution.result, tool), via: "operator", by: resolution };
    case "did_not_happen":
      return notMade(attempt, open, tool, "operator");
    case "give_up": {
      const givenUp = new CallGivenUpError(
        `${resolution.by.id} gave the call of ${proposal.name} up: ${resolution.reason} Whether it happened is not known.`,
      );
      return {
        kind: "ended",
        outcome: { ok: false, error: recordableError(givenUp) },
        via: "operator",
        by: resolution,
      };
    }
  }
}

/** What a person typed is plain JSON and is checked like a result of the tool. */
function given(result: unknown, tool: OpenCallTool): EffectOutcome {
  try {
    return { ok: true, value: encode(tool.output ? tool.output(result ?? null) : (result ?? null)) };
  } catch (error) {
    return { ok: false, error: recordableError(error) };
  }
}

/** "It did not happen" is only believed once nothing that was started before can still arrive. */
function notMade(attempt: Attempt, open: OpenCall, tool: OpenCallTool, why: "crash" | "operator"): Found {
  const settledAt = open.settledAt ?? open.begunBy + attempt.limits.leaseMs + tool.timeoutMs;
  if (attempt.now() >= settledAt) return { kind: "not_made", why };
  return { kind: "wait", wait: { kind: "timer", effect: open.proposal.effect, dueAt: Math.ceil(settledAt) } };
}

async function raiseDoubt(attempt: Attempt, { proposal, id }: OpenCall, reason: string): Promise<Found> {
  const { effect, name, input } = proposal;
  const views: ViewWrite[] = [{ view: "doubt_raised", effect, effectId: id, tool: name, input, reason }];
  await attempt.append([{ type: "effect_doubted", data: { effect, reason } }], { views, linger: false }).durable;
  return { kind: "wait", wait: { kind: "doubt", effect } };
}

/** The event that ends an open call, and the row that goes with it. */
export function endOf(
  effect: string,
  { outcome, via, by }: Extract<Found, { kind: "ended" }>,
): {
  readonly event: { readonly type: "effect_finished"; readonly data: EventData<"effect_finished"> };
  readonly views: ViewWrite[];
} {
  return {
    event: { type: "effect_finished", data: { effect, outcome, ms: 0, via, ...(by ? { by: by.by } : {}) } },
    views: by ? [{ view: "doubt_resolved", effect }] : [],
  };
}
