import type { EffectRecord } from "./effect-record.ts";
import type { EventData } from "./events.ts";
import { isInsideFinished } from "./node-keys.ts";
import { emptyRecord, type RunRecord } from "./run-record.ts";

/** What of a run's record a snapshot has to hold, because what comes after it may depend on it. */
export interface KeptRecord {
  readonly attempts: number;
  readonly messages: readonly string[];
  readonly sent: boolean;
  readonly labels: readonly string[];
  /** The effects that have no end. */
  readonly open: readonly EffectRecord[];
}

/**
 * Forgets of a record what no attempt asks for that goes on from here, right after a superstep of the run's own graph:
 * everything about node executions. All of this superstep and of those before it have finished or failed, and none
 * of them runs again. What they left open counts for the run's end and for its mail, and stays.
 *
 * A part that is added to the record has to be looked at here: is it about node executions that are over?
 *
 * @returns false, with nothing forgotten, where a node that has failed left something open: without a snapshot it
 *   would run again in the next attempt, and what became of the open call could still change what it does.
 */
export function forgetPast(record: RunRecord): boolean {
  if (record.cancel !== null) return false;
  const open = openEffects(record);
  for (const { proposal } of open) {
    if (!record.nodes.has(proposal.node) && !isInsideFinished(record, proposal.node)) return false;
  }
  for (const part of ["nodes", "retries", "effects", "kept", "turns", "forgotten", "ends", "routes"] as const) {
    record[part].clear();
  }
  record.supersteps.clear();
  keepOpen(record, open);
  return true;
}

/** What is to be kept of a record whose past was forgotten. */
export function keptOf(record: RunRecord): KeptRecord {
  const { attempts, messages, sent, labels } = record;
  return { attempts, messages: [...messages], sent, labels: [...labels], open: openEffects(record) };
}

/** The record as it was when a snapshot was taken, as far as it still counts. */
export function restoredRecord(kept: KeptRecord, started: EventData<"run_started">): RunRecord {
  const record: RunRecord = {
    ...emptyRecord(),
    started,
    status: "running",
    attempts: kept.attempts,
    messages: new Set(kept.messages),
    sent: kept.sent,
    labels: new Set(kept.labels),
  };
  keepOpen(record, kept.open);
  return record;
}

function openEffects(record: RunRecord): EffectRecord[] {
  return [...record.open].flatMap((effect) => record.effects.get(effect) ?? []);
}

function keepOpen(record: RunRecord, open: readonly EffectRecord[]): void {
  for (const effect of open) {
    record.effects.set(effect.proposal.effect, effect);
    record.open.add(effect.proposal.effect);
    // Nobody asks for its update any more: that it is over is what counts.
    record.nodes.set(effect.proposal.node, null);
  }
}
