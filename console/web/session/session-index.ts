import type { JournalEvent } from "../../../runtime/core/events.ts";
import { tellingWaits } from "../ui/words.ts";

/** The events of one entry, before it is described. */
export interface EntryGroup {
  readonly key: string;
  readonly first: JournalEvent;
  readonly events: JournalEvent[];
  /** Where each of `events` stands in the session. */
  readonly positions: number[];
  readonly before: string | undefined;
}

/** What describing an entry needs to know of the rest of the session. */
export interface SessionIndex {
  readonly groups: readonly EntryGroup[];
  /** For each event's position, the group that it belongs to. */
  readonly groupAt: readonly (EntryGroup | undefined)[];
  readonly runs: ReadonlyMap<string, { readonly agent: string; readonly depth: number }>;
  readonly nodeNames: ReadonlyMap<string, string>;
}

/** Groups a session's events, given in causal order. */
export function indexSession(events: readonly JournalEvent[]): SessionIndex {
  const byKey = new Map<string, EntryGroup>();
  const groups: EntryGroup[] = [];
  const groupAt: (EntryGroup | undefined)[] = [];
  const runs = new Map<string, { agent: string; depth: number }>();
  const nodeNames = new Map<string, string>();
  const workers = new Map<string, string>();
  events.forEach((event, position) => {
    if (event.type === "run_started") runs.set(event.run, { agent: event.data.agent, depth: event.data.depth });
    if (event.type === "node_finished" || event.type === "node_failed") {
      nodeNames.set(`${event.run}/${event.data.node}`, event.data.name);
    }
    const before = workers.get(event.run);
    const key = groupKey(event, before);
    if (event.type === "attempt_started") workers.set(event.run, event.data.worker);
    // A parked run is claimed again by whoever is free: that is no recovery.
    if (event.type === "run_parked") workers.delete(event.run);
    const known = key === undefined ? undefined : byKey.get(key);
    if (known !== undefined) {
      known.events.push(event);
      known.positions.push(position);
    } else if (key !== undefined && startsGroup(event)) {
      const group: EntryGroup = { key, first: event, events: [event], positions: [position], before };
      byKey.set(key, group);
      groups.push(group);
    }
    groupAt.push(key === undefined ? undefined : byKey.get(key));
  });
  return { groups, groupAt, runs, nodeNames };
}

function groupKey(event: JournalEvent, worker: string | undefined): string | undefined {
  switch (event.type) {
    case "run_started":
    case "node_failed":
    case "node_retried":
    case "cancel_requested":
    case "run_quarantined":
    case "run_released":
    case "run_finished":
    case "run_failed":
    case "run_cancelled":
      return `${event.run}/${String(event.seq)}`;
    case "attempt_started":
      return worker === undefined || worker === event.data.worker ? undefined : `${event.run}/${String(event.seq)}`;
    case "effect_recorded":
    case "effect_refused":
    case "effect_held":
    case "effect_intended":
    case "message_awaited":
    case "message_received":
    case "timer_set":
    case "effect_retried":
    case "effect_repeated":
    case "effect_finished":
    case "effect_doubted":
    case "doubt_resolved":
    case "approval_decided":
      return `${event.run}/${event.data.effect}`;
    case "message_sent":
      return event.data.effect === undefined ? undefined : `${event.run}/${event.data.effect}`;
    case "node_finished":
    case "route_taken":
    case "superstep_finished":
    case "snapshot_taken":
      return undefined;
    case "run_parked": {
      // Shown with the call that is waited for: that is what somebody who opens the session looks for.
      const [wait] = tellingWaits(event.data.waits);
      return wait === undefined ? undefined : `${event.run}/${wait.effect}`;
    }
  }
}

/** An effect's group starts with its proposal: the answer's `message_sent` names the asker's effect, not one of its own run. */
function startsGroup(event: JournalEvent): boolean {
  switch (event.type) {
    case "effect_repeated":
    case "effect_finished":
    case "effect_doubted":
    case "doubt_resolved":
    case "approval_decided":
    case "message_sent":
    case "message_received":
    case "run_parked":
      return false;
    default:
      return true;
  }
}
