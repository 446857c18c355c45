import type { EffectRecord } from "../core/effect-record.ts";
import type { EffectOutcome, NewEvent, Proposal } from "../core/events.ts";
import type { ViewWrite } from "../core/journal.ts";
import type { Attempt } from "./attempt.ts";
import type { Ended } from "./call.ts";
import { AskWithdrawnError } from "./errors.ts";
import type { Handed, NodeExecution } from "./node-execution.ts";
import { askIds } from "./outgoing.ts";
import { recordableError } from "./recordable-error.ts";

/** How far an ask has got whose answer is not wanted any more. */
interface Asked {
  /** Of an ask that people are to decide on. */
  readonly approval?: string;
  /** The run that was asked. */
  readonly child?: string;
}

/** Takes back asks that have no end yet: who was asked is cancelled, and what people were to decide is void. */
export function withdraw(execution: NodeExecution, asks: readonly Proposal[]): void {
  const { attempt } = execution;
  const open = asks.filter(({ effect }) => {
    const status = attempt.record.effects.get(effect)?.status;
    return status !== "finished" && status !== "refused";
  });
  const waits = execution.withdraw(open.map(({ effect }) => effect));
  for (const wait of waits) {
    const proposal = open.find(({ effect }) => effect === wait.effect);
    if (!proposal) continue;
    if (wait.kind === "approval") end(attempt, proposal, { approval: wait.approval });
    else if (wait.kind === "answer") end(attempt, proposal, { child: wait.run });
  }
}

/** An ask that was taken back before it had come as far as this. */
export function endUnwanted(
  execution: NodeExecution,
  proposal: Proposal,
  recorded: EffectRecord | undefined,
): Handed<Ended> {
  const { attempt } = execution;
  const asked: Asked =
    recorded?.status === "held"
      ? { approval: recorded.approval }
      : recorded?.status === "intended" && recorded.child !== null
        ? { child: recorded.child }
        : {};
  const { events, views, outcome } = endOf(attempt, proposal, recorded === undefined ? null : asked);
  return execution.record<Ended>(events, outcome, { views });
}

function end(attempt: Attempt, proposal: Proposal, asked: Asked): void {
  const { events, views } = endOf(attempt, proposal, asked);
  attempt.append(events, { views });
}

/** @param asked null if nothing of it is on record */
function endOf(
  attempt: Attempt,
  proposal: Proposal,
  asked: Asked | null,
): {
  readonly events: NewEvent[];
  readonly views: (events: readonly { run: string; seq: number; hash: string }[]) => ViewWrite[];
  readonly outcome: EffectOutcome;
} {
  const { effect, name } = proposal;
  const reason = `Another agent had answered before ${name} did, and that was all that was wanted.`;
  const error = recordableError(new AskWithdrawnError(reason, { details: { name } }));
  const outcome: EffectOutcome = { ok: false, error };
  return {
    outcome,
    events: [
      asked === null
        ? { type: "effect_recorded", data: { ...proposal, outcome, ms: 0 } }
        : { type: "effect_finished", data: { effect, outcome, ms: 0, via: "withdrawn" } },
    ],
    views: ([placed]) => {
      if (asked?.approval !== undefined) return [{ view: "approval_voided", approval: asked.approval }];
      if (asked?.child === undefined || !placed) return [];
      const { run, seq, hash } = placed;
      const by = { kind: "agent", id: attempt.head.agent } as const;
      const ask = askIds(attempt, effect).message;
      return [{ view: "child_cancelled", child: asked.child, ask, by, reason, cause: { run, seq, hash } }];
    },
  };
}
