import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import type { SessionView } from "../../../runtime/core/protocol.ts";
import { queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import { ErrorState, Loading } from "../ui/states.tsx";
import { describeEntry, type Entry } from "./entries.ts";
import { EntryList, type ShownEntry } from "./entry-list.tsx";
import { Inspector } from "./inspector.tsx";
import { PositionBar } from "./position-bar.tsx";
import { SessionHeader } from "./session-header.tsx";
import { indexSession, type SessionIndex } from "./session-index.ts";
import { Speaking } from "./speaking.tsx";
import { usePosition } from "./use-position.ts";
import { useSessionFeed } from "./use-session-feed.ts";

const route = getRouteApi("/signed-in/sessions/$session");

/** What happened in this session, and why? */
export function SessionPage() {
  const { api } = useApp();
  const { session } = route.useParams();
  const query = useQuery(queries.session(api, session));
  if (query.data !== undefined) return <LoadedSession key={session} view={query.data} />;
  if (query.isError) return <ErrorState error={query.error} what="session" retry={() => void query.refetch()} />;
  return <Loading what="the session" rows={10} />;
}

function LoadedSession({ view }: { readonly view: SessionView }) {
  const { feed, store } = useSessionFeed(view);
  const events = useMemo(() => feed.events.map((place) => place.event), [feed.events]);
  const index = useMemo(() => indexSession(events), [events]);
  const whole = useMemo(() => describeAll(index), [index]);
  const position = usePosition(events);
  const shown = useMemo(() => atPosition(index, whole, position.at), [index, whole, position.at]);
  const [sheetOpen, setSheetOpen] = useState(false);

  const { go } = position;
  const choose = useCallback(
    (key: string) => {
      const last = index.groups.find((group) => group.key === key)?.positions.at(-1);
      if (last !== undefined) go(last);
      setSheetOpen(true);
    },
    [index, go],
  );
  const closeSheet = useCallback(() => setSheetOpen(false), []);

  const agentOf = (run: string): string => index.runs.get(run)?.agent ?? "unknown agent";
  const event = events[position.at];
  const current = index.groupAt[position.at];
  const entry = shown.find((candidate) => candidate.entry.key === current?.key)?.entry;
  return (
    <>
      <SessionHeader summary={feed.session ?? view.session} events={events.length} agentOf={agentOf} />
      <div className="session-body">
        <EntryList entries={shown} current={current?.key} following={position.following} choose={choose}>
          {position.at === events.length - 1 && <Speaking store={store} agentOf={agentOf} />}
        </EntryList>
        {event !== undefined && (
          <Inspector
            session={view.session.session}
            event={event}
            before={events[position.at - 1]}
            entry={entry}
            agent={agentOf(event.run)}
            sheetOpen={sheetOpen}
            closeSheet={closeSheet}
          />
        )}
      </div>
      <PositionBar
        position={position}
        event={event}
        agent={event === undefined ? "" : agentOf(event.run)}
        openSheet={() => setSheetOpen(true)}
      />
    </>
  );
}

function describeAll(index: SessionIndex): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const group of index.groups) {
    const entry = describeEntry(group, index);
    if (entry !== undefined) entries.set(group.key, entry);
  }
  return entries;
}

/** Every entry as it stood at the position; those that had not begun as they will be, marked as later. */
function atPosition(index: SessionIndex, whole: ReadonlyMap<string, Entry>, at: number): readonly ShownEntry[] {
  const shown: ShownEntry[] = [];
  for (const group of index.groups) {
    const complete = whole.get(group.key);
    if (complete === undefined) continue;
    const ended = (group.positions.at(-1) ?? 0) <= at;
    const then = ended ? complete : describeEntry(group, index, at);
    shown.push({ entry: then ?? complete, later: then === undefined });
  }
  return shown;
}
