import type { EffectOutcome, EventData, JournalEvent, Proposal, RunStatus, Wait } from "./events.ts";
import type { JsonValue } from "./json.ts";
import type { Verdict } from "./verdict.ts";

/** How far one effect has got, as the journal tells it. */
export type EffectRecord = { readonly proposal: Proposal; readonly firstSeq: number; readonly firstAt: number } & (
  | {
      readonly status: "held";
      readonly approval: string;
      readonly argsHash: string;
      readonly verdict: Verdict;
      readonly decided: DecidedApproval | null;
    }
  | { readonly status: "intended"; readonly id: string; readonly intendedAt: number; readonly child: string | null }
  | {
      readonly status: "doubted";
      readonly id: string;
      readonly intendedAt: number;
      readonly reason: string;
      readonly resolution: EventData<"doubt_resolved"> | null;
    }
  | { readonly status: "refused"; readonly verdict: Verdict }
  | { readonly status: "finished"; readonly outcome: EffectOutcome }
);

export type DecidedApproval = EventData<"approval_decided">;

/** What a run has come to: a function of its events and of nothing else. */
export interface RunRecord {
  started: EventData<"run_started"> | null;
  status: RunStatus;
  waits: readonly Wait[];
  /** The recorded updates of finished node executions, by node key. */
  readonly nodes: Map<string, JsonValue>;
  readonly effects: Map<string, EffectRecord>;
  /** The effects of each node execution that have an end, in the order of their ends. */
  readonly ends: Map<string, string[]>;
  readonly routes: Map<string, JsonValue>;
  /** The channels' hash after each superstep, by `graph:step`. */
  readonly supersteps: Map<string, string>;
  /** Mailbox messages that are events already. */
  readonly messages: Set<string>;
  attempts: number;
}

export function emptyRecord(): RunRecord {
  return {
    started: null,
    status: "ready",
    waits: [],
    nodes: new Map(),
    effects: new Map(),
    ends: new Map(),
    routes: new Map(),
    supersteps: new Map(),
    messages: new Set(),
    attempts: 0,
  };
}

/** Takes one more event into the record. Events come in the order of the run. */
export function applyEvent(record: RunRecord, event: JournalEvent): void {
  switch (event.type) {
    case "run_started":
      record.started = event.data;
      return;
    case "attempt_started":
      record.attempts++;
      record.status = "running";
      record.waits = [];
      return;
    case "node_finished":
      record.nodes.set(event.data.node, event.data.update);
      return;
    case "node_failed":
      return;
    case "route_taken":
      record.routes.set(event.data.route, event.data.to);
      return;
    case "superstep_finished":
      record.supersteps.set(superstepKey(event.data.graph, event.data.step), event.data.channels);
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
      record.effects.set(event.data.effect, {
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
      record.effects.set(event.data.effect, {
        ...(before ? { proposal: before.proposal, firstSeq: before.firstSeq, firstAt: before.firstAt } : first(event)),
        status: "intended",
        id: event.data.id,
        intendedAt: event.at,
        child: event.data.child ?? null,
      });
      return;
    }
    case "effect_repeated": {
      const before = record.effects.get(event.data.effect);
      // From here on it is a call like any other that has begun: if no end follows, it is in doubt once more.
      if (before?.status === "intended" || before?.status === "doubted") {
        record.effects.set(event.data.effect, {
          proposal: before.proposal,
          firstSeq: before.firstSeq,
          firstAt: before.firstAt,
          status: "intended",
          id: before.id,
          intendedAt: event.at,
          child: null,
        });
      }
      return;
    }
    case "effect_finished": {
      const before = record.effects.get(event.data.effect);
      if (before) {
        end(record, before.proposal.node, event.data.effect, {
          proposal: before.proposal,
          firstSeq: before.firstSeq,
          firstAt: before.firstAt,
          status: "finished",
          outcome: event.data.outcome,
        });
      }
      if (event.data.message !== undefined) record.messages.add(event.data.message);
      return;
    }
    case "effect_doubted": {
      const before = record.effects.get(event.data.effect);
      if (before?.status === "intended") {
        record.effects.set(event.data.effect, {
          proposal: before.proposal,
          firstSeq: before.firstSeq,
          firstAt: before.firstAt,
          status: "doubted",
          id: before.id,
          intendedAt: before.intendedAt,
          reason: event.data.reason,
          resolution: null,
        });
      }
      return;
    }
    case "doubt_resolved": {
      const before = record.effects.get(event.data.effect);
      if (before?.status === "doubted") record.effects.set(event.data.effect, { ...before, resolution: event.data });
      record.messages.add(event.data.message);
      return;
    }
    case "approval_decided": {
      const before = record.effects.get(event.data.effect);
      if (before?.status === "held" && before.approval === event.data.approval) {
        record.effects.set(event.data.effect, { ...before, decided: event.data });
      }
      record.messages.add(event.data.message);
      return;
    }
    case "message_sent":
      return;
    case "run_parked":
      record.status = "parked";
      record.waits = event.data.waits;
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

export function superstepKey(graph: string, step: number): string {
  return `${graph}:${String(step)}`;
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

function end(record: RunRecord, node: string, effect: string, ended: EffectRecord): void {
  const before = record.effects.get(effect)?.status;
  // An effect ends once: what the code was given first is what it is given always.
  if (before === "finished" || before === "refused") return;
  record.effects.set(effect, ended);
  const ends = record.ends.get(node);
  if (ends) ends.push(effect);
  else record.ends.set(node, [effect]);
}
