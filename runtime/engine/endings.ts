import type { ErrorRecord } from "../core/errors.ts";
import type { EffectOutcome, EventData, JournalEvent, RunEnd } from "../core/events.ts";
import type { ViewWrite } from "../core/journal.ts";
import type { JsonValue } from "../core/json.ts";
import type { Actor } from "../core/people.ts";
import type { Attempt } from "./attempt.ts";
import { RunCancelledError, RunDeadlineError } from "./errors.ts";
import type { OpenCalls } from "./open-calls.ts";
import { askIds } from "./outgoing.ts";
import { recordableError } from "./recordable-error.ts";

/** Why a run ends before its graph does. */
export type Stop =
  | { readonly kind: "cancelled"; readonly request: EventData<"cancel_requested"> }
  | { readonly kind: "deadline"; readonly deadline: number };

/** What a run ends as. */
export interface Ending {
  readonly status: "finished" | "failed" | "cancelled";
  /** The last event of the run. */
  readonly last: RunEnd;
  /** What whoever asked is told. */
  readonly outcome: EffectOutcome;
}

export function finished(value: JsonValue): Ending {
  return {
    status: "finished",
    last: { type: "run_finished", data: { output: value } },
    outcome: { ok: true, value },
  };
}

export function failed(error: ErrorRecord): Ending {
  return { status: "failed", last: { type: "run_failed", data: { error } }, outcome: { ok: false, error } };
}

export function stopped(attempt: Attempt, stop: Stop): Ending {
  if (stop.kind === "deadline") return failed(recordableError(deadlineError(attempt, stop.deadline)));
  const { by, reason, message } = stop.request;
  return {
    status: "cancelled",
    last: { type: "run_cancelled", data: { by, reason, message } },
    outcome: { ok: false, error: recordableError(cancelledError(attempt, stop.request)) },
  };
}

function deadlineError({ head }: Attempt, deadline: number): RunDeadlineError {
  return new RunDeadlineError(
    `The run of ${head.agent} had to have ended by ${new Date(deadline).toISOString()}, and had not. What it had started is settled, and nothing more is called. Start it again with more time if it is still wanted.`,
    { details: { run: head.run, deadline } },
  );
}

function cancelledError({ head }: Attempt, { by, reason }: EventData<"cancel_requested">): RunCancelledError {
  return new RunCancelledError(`${by.id} cancelled the run of ${head.agent}: ${reason}`, {
    details: { run: head.run },
  });
}

/**
 * What a run that has ended leaves to others: people need not decide or answer any more, and the runs that it asked
 * are cancelled, because nobody waits for what they say.
 */
export function leftBehind(attempt: Attempt, open: OpenCalls, end: JournalEvent): ViewWrite[] {
  const { run, seq, hash } = end;
  const { by, reason } = whoEnded(attempt, end);
  const asked = open.askedPeople;
  return [
    ...(asked.approval ? [{ view: "approvals_voided" } as const] : []),
    ...(asked.question ? [{ view: "questions_voided" } as const] : []),
    ...(open.mayHaveMail ? [{ view: "mailbox_closed" } as const] : []),
    ...[...open.children].map(([effect, child]): ViewWrite => {
      const ask = askIds(attempt, effect).message;
      return { view: "child_cancelled", child, ask, by, reason, cause: { run, seq, hash } };
    }),
  ];
}

function whoEnded({ head }: Attempt, end: JournalEvent): { readonly by: Actor; readonly reason: string } {
  if (end.type === "run_cancelled") return end.data;
  return {
    by: { kind: "agent", id: head.agent },
    reason: `The run of ${head.agent} that asked has ended, and nobody waits for the answer.`,
  };
}
