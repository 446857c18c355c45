import { z } from "zod";
import { differences, outcomeSchema, readExpected, type Outcome, type Payment } from "../../agents/claims/index.ts";
import { canonicalJson } from "../../runtime/core/canonical.ts";
import type { JournalEvent } from "../../runtime/core/events.ts";
import type { JsonValue } from "../../runtime/core/json.ts";
import type { SessionView } from "../../runtime/core/protocol.ts";
import { RunProjection } from "../../runtime/replay/run-projection.ts";

/** What the record of all sessions adds up to, and where it disagrees with the ledger or with what was expected. */
export interface Findings {
  readonly runs: number;
  readonly events: number;
  readonly toolCalls: number;
  readonly denied: number;
  readonly approvalsRequested: number;
  readonly approved: number;
  readonly rejected: number;
  readonly inDoubt: number;
  readonly replayed: number;
  /** Runs whose replay does not end where the worker said that it ended, with what differs. */
  readonly mismatches: readonly string[];
  /** Claims that did not end as expected. */
  readonly unexpected: readonly string[];
  readonly outcomesAsExpected: number;
}

const answer = z.object({ outcome: outcomeSchema });

export async function examine(views: readonly SessionView[]): Promise<Findings> {
  const events = views.flatMap((view) => view.events);
  const count = (matches: (event: JournalEvent) => boolean): number => events.filter(matches).length;
  const outcomes = new Map(
    views.flatMap((view) => (view.session.key === null ? [] : [[view.session.key, outcomeOf(view)]])),
  );
  const unexpected: string[] = [];
  let asExpected = 0;
  for (const claim of await readExpected()) {
    const outcome = outcomes.get(claim.key);
    const found = outcome ? differences(outcome, claim) : ["it has no outcome"];
    if (found.length === 0) asExpected++;
    unexpected.push(...found.map((difference) => `${claim.key}: ${difference}`));
  }
  return {
    runs: views.reduce((sum, view) => sum + view.runs.length, 0),
    events: events.length,
    toolCalls: count(
      (event) => (event.type === "effect_recorded" || event.type === "effect_intended") && event.data.kind === "tool",
    ),
    denied: count(
      (event) => event.type === "effect_refused" && event.data.verdict.rules.some((rule) => rule.effect === "deny"),
    ),
    approvalsRequested: count((event) => event.type === "effect_held"),
    approved: count((event) => event.type === "approval_decided" && event.data.outcome === "approved"),
    rejected: count((event) => event.type === "approval_decided" && event.data.outcome === "rejected"),
    inDoubt: count((event) => event.type === "effect_doubted"),
    replayed: views.length,
    mismatches: views.flatMap(replayMismatches),
    unexpected,
    outcomesAsExpected: asExpected,
  };
}

export function outcomeOf(view: SessionView): Outcome | undefined {
  const end = view.events.find((event) => event.type === "run_finished" && event.run === view.session.session);
  return end?.type === "run_finished" ? answer.safeParse(end.data.output).data?.outcome : undefined;
}

/** Replays every run of a session from its events and compares where it gets to with what its worker returned. */
function replayMismatches(view: SessionView): string[] {
  const projections = new Map(view.runs.map((run) => [run.run, new RunProjection()]));
  for (const event of view.events) projections.get(event.run)?.apply(event);
  return view.runs.flatMap((run) => {
    const projected = projections.get(run.run)?.current();
    const end = view.events.find((event) => event.run === run.run && event.type === "run_finished");
    if (!projected || projected.status !== run.status)
      return [`${run.run}: replay says ${projected?.status ?? "nothing"}, not ${run.status}`];
    if (end?.type !== "run_finished") return [];
    return Object.entries(end.data.output as Record<string, JsonValue>)
      .filter(([channel, value]) => canonicalJson(projected.state[channel] ?? null) !== canonicalJson(value))
      .map(([channel]) => `${run.run}: replay ends with another ${channel} than the worker returned`);
  });
}

/** Compares the payouts on record with the bank's lines: each recorded payment exactly once, and none besides. */
export function compareWithLedger(
  views: readonly SessionView[],
  payments: readonly Payment[],
): { readonly duplicates: number; readonly lost: number; readonly unrecorded: number } {
  const recorded = new Map<string, { amountMinor: number; receipt: string }>();
  for (const event of views.flatMap((view) => view.events)) {
    if (event.type !== "effect_intended" || event.data.name !== "payments.payout") continue;
    const ended = views
      .flatMap((view) => view.events)
      .find(
        (other) =>
          other.type === "effect_finished" && other.run === event.run && other.data.effect === event.data.effect,
      );
    if (ended?.type !== "effect_finished" || !ended.data.outcome.ok) continue;
    const { amountMinor } = event.data.input as { amountMinor: number };
    const { receipt } = ended.data.outcome.value as { receipt: string };
    recorded.set(event.data.id, { amountMinor, receipt });
  }
  const booked = new Map<string, number>();
  for (const payment of payments) booked.set(payment.key, (booked.get(payment.key) ?? 0) + 1);
  const lost = [...recorded].filter(([key, { amountMinor, receipt }]) => {
    const payment = payments.find((candidate) => candidate.key === key);
    return payment?.amountMinor !== amountMinor || payment.receipt !== receipt;
  }).length;
  return {
    duplicates: [...booked.values()].reduce((sum, times) => sum + times - 1, 0),
    lost,
    unrecorded: [...booked.keys()].filter((key) => !recorded.has(key)).length,
  };
}
