import type { EffectRecord } from "./effect-record.ts";
import { isRepeatable } from "./effects.ts";
import type { EventData, JournalEvent, Proposal, RunStatus, Wait } from "./events.ts";
import type { JsonValue } from "./json.ts";
import { isInside, superstepKey } from "./node-keys.ts";
import { waitsOf } from "./parked-waits.ts";

/** A node execution that failed and is to run again. */
export interface NodeRetry {
  readonly failures: number;
  readonly dueAt: number;
}

/** What a run has come to: a function of its events and of nothing else. */
export interface RunRecord {
  started: EventData<"run_started"> | null;
  status: RunStatus;
  waits: readonly Wait[];
  /** What it waited for when it last parked; null before, and after a snapshot. */
  parked: readonly Wait[] | null;
  /** The recorded updates of finished node executions, by node key. */
  readonly nodes: Map<string, JsonValue>;
  /** Node executions that failed and are tried again, by node key. */
  readonly retries: Map<string, NodeRetry>;
  readonly effects: Map<string, EffectRecord>;
  /**
   * Of node executions that are tried again, the effects that ended before the last failure: their results are there
   * for whoever asks, but the next try may take another way and not ask.
   */
  readonly kept: Map<string, Set<string>>;
  /** The effects that have no end yet. */
  readonly open: Set<string>;
  /** How many times in a row the run has parked because a call had no turn. */
  readonly turns: Map<string, number>;
  /** How many times a failed call was forgotten, so that a retried node makes it anew. */
  readonly forgotten: Map<string, number>;
  /** The effects of each node execution that have an end, in the order of their ends. */
  readonly ends: Map<string, string[]>;
  readonly routes: Map<string, JsonValue>;
  /** The channels' hash after each superstep, by `graph:step`. */
  readonly supersteps: Map<string, string>;
  /** The newest snapshot that was taken, whether it is still there or not. */
  snapshot: { readonly step: number; readonly bytes: number } | null;
  /** Mailbox messages that are events already. */
  readonly messages: Set<string>;
  /** Set once somebody asked that the run end. */
  cancel: EventData<"cancel_requested"> | null;
  /** What is said of the data that it works with. */
  readonly labels: Set<string>;
  /** True once it has sent a message that somebody may reply to. */
  sent: boolean;
  attempts: number;
}

export function emptyRecord(): RunRecord {
  return {
    started: null,
    status: "ready",
    waits: [],
    parked: null,
    nodes: new Map(),
    retries: new Map(),
    effects: new Map(),
    kept: new Map(),
    open: new Set(),
    turns: new Map(),
    forgotten: new Map(),
    ends: new Map(),
    routes: new Map(),
    supersteps: new Map(),
    snapshot: null,
    messages: new Set(),
    cancel: null,
    labels: new Set(),
    sent: false,
    attempts: 0,
  };
}

/** Takes one more event into the record. Events come in the order of the run. */
export function applyEvent(record: RunRecord, event: JournalEvent): void {
  switch (event.type) {
    case "run_started":
      record.started = event.data;
      for (const label of event.data.labels ?? []) record.labels.add(label);
      return;
    case "attempt_started":
      record.attempts++;
      record.status = "running";
      record.waits = [];
      leave(record, event.data.claimedAt ?? event.at);
      return;
    case "node_finished":
      record.nodes.set(event.data.node, event.data.update);
      return;
    case "node_failed":
      return;
    case "node_retried":
      record.retries.set(event.data.node, { failures: event.data.failures, dueAt: event.data.dueAt });
      forgetFailed(record, event.data.node);
      return;
    case "route_taken":
      record.routes.set(event.data.route, event.data.to);
      return;
    case "superstep_finished":
      record.supersteps.set(superstepKey(event.data.graph, event.data.step), event.data.channels);
      return;
    case "snapshot_taken":
      record.snapshot = { step: event.data.step, bytes: event.data.bytes };
      record.parked = null;
      return;
    case "effect_recorded":
      end(record, event.data.node, event.data.effect, {
        ...first(event),
        status: "finished",
        outcome: event.data.outcome,
      });
      return;
    case "effect_refused": {
      const before = record.effects.get(event.data.effect);
      end(record, event.data.node, event.data.effect, {
        ...(before ?? first(event)),
        status: "refused",
        verdict: event.data.verdict,
      });
      return;
    }
    case "effect_held":
      put(record, event.data.effect, {
        ...first(event),
        status: "held",
        approval: event.data.approval,
        argsHash: event.data.argsHash,
        verdict: event.data.verdict,
        decided: null,
      });
      return;
    case "effect_intended": {
      const before = record.effects.get(event.data.effect);
      put(record, event.data.effect, {
        ...(before ? begun(before) : first(event)),
        status: "intended",
        id: event.data.id,
        leftAt: null,
        settledAt: null,
        approved: event.data.approval !== undefined,
        child: event.data.child ?? null,
      });
      return;
    }
    case "timer_set":
      put(record, event.data.effect, { ...first(event), status: "timed", dueAt: event.data.dueAt });
      return;
    case "message_awaited":
      put(record, event.data.effect, { ...first(event), status: "awaiting", dueAt: event.data.dueAt ?? null });
      return;
    case "message_received":
      for (const label of event.data.labels ?? []) record.labels.add(label);
      return;
    case "effect_retried": {
      const before = record.effects.get(event.data.effect);
      put(record, event.data.effect, {
        ...(before ? begun(before) : first(event)),
        status: "retrying",
        failures: event.data.failures,
        dueAt: event.data.dueAt,
        approved: isApproved(before),
      });
      return;
    }
    case "effect_repeated": {
      const before = record.effects.get(event.data.effect);
      // From here on it is a call like any other that has begun: if no end follows, it is in doubt once more.
      if (before?.status === "intended" || before?.status === "doubted") {
        put(record, event.data.effect, {
          ...begun(before),
          status: "intended",
          id: before.id,
          leftAt: null,
          settledAt: null,
          approved: before.approved,
          child: null,
        });
      }
      return;
    }
    case "effect_finished": {
      const before = record.effects.get(event.data.effect);
      if (before) {
        end(record, before.proposal.node, event.data.effect, {
          ...begun(before),
          status: "finished",
          outcome: event.data.outcome,
          ...(event.data.via === "withdrawn" ? { withdrawn: true } : {}),
        });
      }
      for (const label of event.data.labels ?? []) record.labels.add(label);
      if (event.data.message !== undefined) record.messages.add(event.data.message);
      return;
    }
    case "effect_doubted": {
      const before = record.effects.get(event.data.effect);
      if (before?.status === "intended") {
        put(record, event.data.effect, {
          ...begun(before),
          status: "doubted",
          id: before.id,
          leftAt: before.leftAt,
          settledAt: before.settledAt,
          approved: before.approved,
          reason: event.data.reason,
          resolution: null,
        });
      }
      return;
    }
    case "doubt_resolved": {
      const before = record.effects.get(event.data.effect);
      if (before?.status === "doubted") put(record, event.data.effect, { ...before, resolution: event.data });
      record.messages.add(event.data.message);
      return;
    }
    case "approval_decided": {
      const before = record.effects.get(event.data.effect);
      if (before?.status === "held" && before.approval === event.data.approval) {
        put(record, event.data.effect, { ...before, decided: event.data });
      }
      record.messages.add(event.data.message);
      return;
    }
    case "message_sent":
      // What is sent one way may be replied to.
      if (event.data.kind !== "ask" && event.data.kind !== "answer") record.sent = true;
      return;
    case "run_parked":
      record.status = "parked";
      record.waits = waitsOf(event.data, record.parked);
      record.parked = record.waits;
      for (const wait of record.waits) {
        if (wait.kind === "timer") settle(record, wait.effect, wait.dueAt);
        else if (wait.kind === "turn") record.turns.set(wait.effect, (record.turns.get(wait.effect) ?? 0) + 1);
      }
      return;
    case "cancel_requested":
      record.cancel = event.data;
      record.messages.add(event.data.message);
      return;
    case "run_quarantined":
      record.status = "quarantined";
      return;
    case "run_released":
      record.messages.add(event.data.message);
      return;
    case "run_cancelled":
      record.status = "cancelled";
      record.waits = [];
      record.messages.add(event.data.message);
      return;
    case "run_finished":
      record.status = "finished";
      record.waits = [];
      return;
    case "run_failed":
      record.status = "failed";
      record.waits = [];
      return;
  }
}

function first(event: JournalEvent & { readonly data: Proposal }): {
  proposal: Proposal;
  firstSeq: number;
  firstAt: number;
} {
  const { effect, node, kind, name, version, class: effectClass, fingerprint, nth, input } = event.data;
  return {
    proposal: {
      effect,
      node,
      kind,
      name,
      ...(version === undefined ? {} : { version }),
      class: effectClass,
      fingerprint,
      nth,
      input,
    },
    firstSeq: event.seq,
    firstAt: event.at,
  };
}

function begun({ proposal, firstSeq, firstAt }: EffectRecord): {
  proposal: Proposal;
  firstSeq: number;
  firstAt: number;
} {
  return { proposal, firstSeq, firstAt };
}

function isApproved(before: EffectRecord | undefined): boolean {
  return before !== undefined && "approved" in before && before.approved;
}

function put(record: RunRecord, effect: string, recorded: EffectRecord): void {
  record.effects.set(effect, recorded);
  if (recorded.status === "finished" || recorded.status === "refused") record.open.delete(effect);
  else record.open.add(effect);
}

/** A later attempt has the lease now: what the attempts before it have started, they started before. */
function leave(record: RunRecord, at: number): void {
  for (const effect of record.open) {
    const open = record.effects.get(effect);
    if (open?.status !== "intended" && open?.status !== "doubted") continue;
    if (open.leftAt === null) record.effects.set(effect, { ...open, leftAt: at });
  }
}

/** The run waits until nothing of a call can still arrive. */
function settle(record: RunRecord, effect: string, at: number): void {
  const open = record.effects.get(effect);
  if (open?.status !== "intended" && open?.status !== "doubted") return;
  record.effects.set(effect, { ...open, settledAt: open.settledAt ?? at });
}

/**
 * A node is tried again, with the graphs inside it: calls that failed and may be repeated are made anew, and what else
 * ended is kept for whoever asks.
 */
function forgetFailed(record: RunRecord, retried: string): void {
  for (const [node, ends] of record.ends) {
    if (node !== retried && !isInside(node, retried)) continue;
    const kept = record.kept.get(node) ?? new Set();
    record.kept.set(node, kept);
    record.ends.set(node, []);
    for (const effect of ends) {
      const ended = record.effects.get(effect);
      if (ended?.status === "finished" && !ended.outcome.ok && !ended.withdrawn && isRepeatable(ended.proposal.class)) {
        record.effects.delete(effect);
        record.forgotten.set(effect, (record.forgotten.get(effect) ?? 0) + 1);
      } else kept.add(effect);
    }
  }
}

function end(record: RunRecord, node: string, effect: string, ended: EffectRecord): void {
  const before = record.effects.get(effect)?.status;
  // An effect ends once: what the code was given first is what it is given always.
  if (before === "finished" || before === "refused") return;
  put(record, effect, ended);
  const ends = record.ends.get(node);
  if (ends) ends.push(effect);
  else record.ends.set(node, [effect]);
}
