import type { ApprovalView, DoubtView } from "../../../runtime/core/protocol.ts";

/** A call in doubt as the page keeps it: settled ones stay until the page is left. */
export interface WatchedDoubt {
  readonly doubt: DoubtView;
  readonly settled: boolean;
}

export function doubtKey(doubt: DoubtView): string {
  return `${doubt.run}/${doubt.effect}`;
}

/** The list after reading it again: what is pending now, and in its old place what is no longer. */
export function stillWatchedApprovals(
  before: readonly ApprovalView[],
  pending: readonly ApprovalView[],
  decided: readonly ApprovalView[],
): readonly ApprovalView[] {
  let list: readonly ApprovalView[] = before.filter((old) =>
    [...pending, ...decided].some(({ approval }) => approval === old.approval),
  );
  for (const approval of [...pending, ...decided]) list = withApproval(list, approval);
  return list;
}

/** The list with one approval that is new or has changed. One that was never pending here is not added. */
export function withApproval(list: readonly ApprovalView[], approval: ApprovalView): readonly ApprovalView[] {
  const known = list.some((old) => old.approval === approval.approval);
  if (known) return list.map((old) => (old.approval === approval.approval ? newest(old, approval) : old));
  if (approval.status !== "pending") return list;
  // The one that expires first comes first; new ones never move what is already there.
  return [...list, approval].toSorted((a, b) => a.expiresAt - b.expiresAt || (a.approval < b.approval ? -1 : 1));
}

/** News that arrives late does not undo a decision: pending is the only state that changes into others. */
function newest(old: ApprovalView, told: ApprovalView): ApprovalView {
  if (old.status !== "pending" && told.status === "pending") return old;
  return told.decisions.length < old.decisions.length ? old : told;
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
