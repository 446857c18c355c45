import { causeOf, compareCausally, placeAfter, type PlacedEvent } from "../../../runtime/core/causal-order.ts";
import type { Cursor, JournalEvent } from "../../../runtime/core/events.ts";
import type { RunSummary, SessionSummary } from "../../../runtime/core/protocol.ts";

/**
 * What a page knows of one session's events. Frames may come late, twice, in the wrong order or not at
 * all; whatever comes, the list holds each event once, every run without a gap from its first event,
 * and no event before the one that caused it. The order is a function of the events alone, so a page
 * that watched live and a page that was opened afterwards show the same list.
 */
export interface SessionFeed {
  /** Every event that can be shown, in causal order. */
  readonly events: readonly PlacedEvent[];
  /** The same events by run; the event with sequence number `n` is at index `n - 1`. */
  readonly placed: Readonly<Record<string, readonly PlacedEvent[]>>;
  /** Received without a gap, but caused by an event of another run that has not come yet. */
  readonly waiting: Readonly<Record<string, readonly JournalEvent[]>>;
  readonly session: SessionSummary | undefined;
  readonly runs: readonly RunSummary[];
  /** How many frames in a row had a gap and brought nothing. */
  readonly stalled: number;
}

/** What a frame brings: any part of `events` of the socket, or a whole session view. */
export interface Frame {
  readonly events: readonly JournalEvent[];
  readonly session: SessionSummary;
  readonly runs: readonly RunSummary[];
}

/** What the page has to do after a frame. */
export type FeedNeed = "nothing" | "ask_again" | "reload";

export const EMPTY_FEED: SessionFeed = {
  events: [],
  placed: {},
  waiting: {},
  session: undefined,
  runs: [],
  stalled: 0,
};

/** After this many frames with a gap that brought nothing, asking again is not going to help. */
const STALLED_LIMIT = 5;

/** How far each run has been received: what the server is told when asked for the rest. */
export function feedCursor(feed: SessionFeed): Cursor {
  const cursor: Record<string, number> = {};
  for (const run of new Set([...Object.keys(feed.placed), ...Object.keys(feed.waiting)])) {
    cursor[run] = (feed.placed[run]?.length ?? 0) + (feed.waiting[run]?.length ?? 0);
  }
  return cursor;
}

/** Takes a frame in. Pure; receiving a frame twice is the same as receiving it once. */
export function receiveFrame(feed: SessionFeed, frame: Frame): { feed: SessionFeed; need: FeedNeed } {
  const runs = newestRuns(feed.runs, frame.runs);
  const accepted = acceptInOrder(feed, frame.events);
  const drawn = placeWhatCan(feed, accepted.waiting, new Set(runs.map((run) => run.run)));
  const stalled = accepted.gap && accepted.count === 0 ? feed.stalled + 1 : 0;
  return {
    feed: { ...drawn, runs, session: newestSession(feed.session, frame.session), stalled },
    need: !accepted.gap ? "nothing" : stalled >= STALLED_LIMIT ? "reload" : "ask_again",
  };
}

interface Accepted {
  readonly waiting: Readonly<Record<string, readonly JournalEvent[]>>;
  readonly count: number;
  readonly gap: boolean;
}

/** Lets through each event that is the next one of its run. */
function acceptInOrder(feed: SessionFeed, events: readonly JournalEvent[]): Accepted {
  const have: Record<string, number> = { ...feedCursor(feed) };
  const waiting: Record<string, JournalEvent[]> = {};
  for (const [run, held] of Object.entries(feed.waiting)) waiting[run] = [...held];
  let count = 0;
  let gap = false;
  for (const event of events) {
    const last = have[event.run] ?? 0;
    if (event.seq <= last) continue;
    if (event.seq > last + 1) {
      gap = true;
      continue;
    }
    have[event.run] = event.seq;
    (waiting[event.run] ??= []).push(event);
    count += 1;
  }
  return { waiting, count, gap };
}

/** Places every waiting event whose causes are placed, until no more can be. */
function placeWhatCan(
  feed: SessionFeed,
  waiting: Readonly<Record<string, readonly JournalEvent[]>>,
  knownRuns: ReadonlySet<string>,
): Pick<SessionFeed, "events" | "placed" | "waiting"> {
  const placed: Record<string, PlacedEvent[]> = {};
  const placedOf = (run: string): readonly PlacedEvent[] => placed[run] ?? feed.placed[run] ?? [];
  const fresh: PlacedEvent[] = [];
  const queues = new Map(Object.entries(waiting).map(([run, held]) => [run, { held, next: 0 }]));
  for (let moved = true; moved;) {
    moved = false;
    for (const [run, queue] of queues) {
      for (let event = queue.held[queue.next]; event !== undefined; event = queue.held[queue.next]) {
        const before = causesOf(event, placedOf, (other) => knownRuns.has(other) || queues.has(other));
        if (before === "not_here_yet") break;
        const place = placeAfter(event, before);
        (placed[run] ??= [...(feed.placed[run] ?? [])]).push(place);
        fresh.push(place);
        queue.next += 1;
        moved = true;
      }
    }
  }
  const still: Record<string, readonly JournalEvent[]> = {};
  for (const [run, queue] of queues) if (queue.next < queue.held.length) still[run] = queue.held.slice(queue.next);
  return {
    events: fresh.length === 0 ? feed.events : mergeOrdered(feed.events, fresh.sort(compareCausally)),
    placed: { ...feed.placed, ...placed },
    waiting: still,
  };
}

/** The events that must stand before this one: the run's previous one, and what it points at in another run. */
function causesOf(
  event: JournalEvent,
  placedOf: (run: string) => readonly PlacedEvent[],
  isOfThisSession: (run: string) => boolean,
): readonly PlacedEvent[] | "not_here_yet" {
  const causes: PlacedEvent[] = [];
  const previous = placedOf(event.run)[event.seq - 2];
  if (previous !== undefined) causes.push(previous);
  const pointed = causeOf(event);
  // A session that was started by an event of another session points out of what this page can see.
  if (pointed !== null && isOfThisSession(pointed.run)) {
    const cause = placedOf(pointed.run)[pointed.seq - 1];
    if (cause === undefined) return "not_here_yet";
    causes.push(cause);
  }
  return causes;
}

/** Merges two ordered lists; almost always the new events simply go to the end. */
function mergeOrdered(old: readonly PlacedEvent[], fresh: readonly PlacedEvent[]): readonly PlacedEvent[] {
  const merged: PlacedEvent[] = [];
  let i = 0;
  for (const place of fresh) {
    for (let next = old[i]; next !== undefined && compareCausally(next, place) < 0; next = old[i]) {
      merged.push(next);
      i += 1;
    }
    merged.push(place);
  }
  for (const rest = old.length; i < rest; i++) {
    const next = old[i];
    if (next !== undefined) merged.push(next);
  }
  return merged;
}

/** A summary that knows of fewer events is older, whenever it arrives. */
function newestSession(known: SessionSummary | undefined, told: SessionSummary): SessionSummary {
  return known !== undefined && known.events > told.events ? known : told;
}

function newestRuns(known: readonly RunSummary[], told: readonly RunSummary[]): readonly RunSummary[] {
  const byRun = new Map(known.map((run) => [run.run, run]));
  for (const run of told) {
    const old = byRun.get(run.run);
    if (old === undefined || old.events <= run.events) byRun.set(run.run, run);
  }
  return [...byRun.values()];
}
