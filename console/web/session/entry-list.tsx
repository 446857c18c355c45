import { memo, useEffect, useRef, type ReactNode } from "react";
import type { Entry } from "./entries.ts";
import { EntryRow } from "./entry-row.tsx";

export interface ShownEntry {
  readonly entry: Entry;
  /** It begins after the point where the page stands. */
  readonly later: boolean;
}

interface EntryListProps {
  readonly entries: readonly ShownEntry[];
  readonly current: string | undefined;
  /** Nobody has chosen a place yet: the list stays where it is. */
  readonly following: boolean;
  readonly choose: (key: string) => void;
  /** What comes after the last entry: calls that have no record yet. */
  readonly children?: ReactNode;
}

/** Every effect of every agent, in causal order. */
export function EntryList({ entries, current, following, choose, children }: EntryListProps) {
  const list = useRef<HTMLOListElement>(null);
  const hues = huesByRun(entries);
  useEffect(() => {
    if (current === undefined || following) return;
    const row = list.current?.querySelector("[aria-current=true]");
    row?.scrollIntoView({ block: "nearest" });
  }, [current, following]);
  return (
    <section className="entries" aria-label="What happened, in causal order">
      <ol ref={list}>
        {entries.map(({ entry, later }) => (
          <Row
            key={entry.key}
            entry={entry}
            later={later}
            current={entry.key === current}
            hue={hues.get(entry.run) ?? 0}
            choose={choose}
          />
        ))}
        {children}
      </ol>
    </section>
  );
}

/** Only rows that changed are drawn again while the position moves. */
const Row = memo(EntryRow);

const HUES = 6;

/** Runs get colours in the order in which they appear, so that neighbours differ. */
function huesByRun(entries: readonly ShownEntry[]): ReadonlyMap<string, number> {
  const hues = new Map<string, number>();
  for (const { entry } of entries) if (!hues.has(entry.run)) hues.set(entry.run, hues.size % HUES);
  return hues;
}
