import type { ApprovalView, DoubtView, QuestionView } from "../../../runtime/core/protocol.ts";

/**
 * What the inbox keeps: a card must not vanish under the hands of the person who is typing into it. So
 * what is settled stays, in its place, until the page is left.
 */
export interface Watched<View> {
  readonly id: (view: View) => string;
  readonly waits: (view: View) => boolean;
  /** Of two views of one thing, the one that knows more: news that arrives late undoes nothing. */
  readonly newer: (old: View, told: View) => View;
  /** In the order in which they are shown. */
  readonly place: (view: View) => number;
}

/** The one that expires first comes first; new ones never move what is already there. */
export const WATCHED_APPROVALS: Watched<ApprovalView> = {
  id: (view) => view.approval,
  waits: (view) => view.status === "pending",
  newer: (old, told) => {
    if (old.status !== "pending" && told.status === "pending") return old;
    return told.decisions.length < old.decisions.length ? old : told;
  },
  place: (view) => view.expiresAt,
};

/** The one that was asked first comes first. */
export const WATCHED_QUESTIONS: Watched<QuestionView> = {
  id: (view) => view.question,
  waits: (view) => view.status === "open",
  newer: (old, told) => (old.status !== "open" && told.status === "open" ? old : told),
  place: (view) => view.askedAt,
};

/** The list after reading it again: what waits now, and in its old place what is no longer. */
export function stillWatched<View>(
  kind: Watched<View>,
  before: readonly View[],
  waiting: readonly View[],
  settled: readonly View[],
): readonly View[] {
  const told = [...waiting, ...settled];
  let list: readonly View[] = before.filter((old) => told.some((view) => kind.id(view) === kind.id(old)));
  for (const view of told) list = withNews(kind, list, view);
  return list;
}

/** The list with one that is new or has changed. What was never waiting here is not added. */
export function withNews<View>(kind: Watched<View>, list: readonly View[], told: View): readonly View[] {
  const id = kind.id(told);
  if (list.some((old) => kind.id(old) === id)) {
    return list.map((old) => (kind.id(old) === id ? kind.newer(old, told) : old));
  }
  if (!kind.waits(told)) return list;
  return [...list, told].toSorted((a, b) => kind.place(a) - kind.place(b) || (kind.id(a) < kind.id(b) ? -1 : 1));
}

/** A call in doubt as the page keeps it. */
export interface WatchedDoubt {
  readonly doubt: DoubtView;
  readonly settled: boolean;
}

export function doubtKey(doubt: Pick<DoubtView, "run" | "effect">): string {
  return `${doubt.run}/${doubt.effect}`;
}

/** The doubts after reading them again: what has gone was settled. */
export function stillWatchedDoubts(
  before: readonly WatchedDoubt[],
  doubts: readonly DoubtView[],
): readonly WatchedDoubt[] {
  const open = new Map(doubts.map((doubt) => [doubtKey(doubt), doubt]));
  const kept = before.map(({ doubt }) => {
    const now = open.get(doubtKey(doubt));
    open.delete(doubtKey(doubt));
    return { doubt: now ?? doubt, settled: now === undefined };
  });
  return [...kept, ...[...open.values()].map((doubt) => ({ doubt, settled: false }))];
}
