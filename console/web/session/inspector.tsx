import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import { Icon } from "../ui/icons.tsx";
import { EntryDetails, EventDetails } from "./details.tsx";
import type { Entry } from "./entries.ts";
import { StatePanel } from "./state-panel.tsx";

const route = getRouteApi("/signed-in/sessions/$session");

/** Where the style sheet makes the inspector a sheet. */
const NARROW = "(max-width: 900px)";

interface InspectorProps {
  readonly session: string;
  readonly event: JournalEvent;
  readonly before: JournalEvent | undefined;
  readonly entry: Entry | undefined;
  readonly agent: string;
  /** On a narrow screen the inspector is a sheet over the list. */
  readonly sheetOpen: boolean;
  readonly closeSheet: () => void;
}

/** What the page stands at: the call in full, or the state of every agent right then. */
export function Inspector({ session, event, before, entry, agent, sheetOpen, closeSheet }: InspectorProps) {
  const { show } = route.useSearch();
  const navigate = route.useNavigate();
  const sheet = useRef<HTMLElement>(null);
  const choose = (next: "details" | "state"): void => {
    void navigate({
      search: ({ show: _show, ...rest }) => (next === "state" ? { ...rest, show: "state" } : rest),
      replace: true,
      resetScroll: false,
    });
  };
  useEffect(() => {
    if (!sheetOpen || !window.matchMedia(NARROW).matches) return undefined;
    const cameFrom = document.activeElement;
    sheet.current?.focus();
    const close = (key: KeyboardEvent): void => {
      if (key.key === "Escape") closeSheet();
    };
    document.addEventListener("keydown", close);
    return () => {
      document.removeEventListener("keydown", close);
      if (cameFrom instanceof HTMLElement) cameFrom.focus({ preventScroll: true });
    };
  }, [sheetOpen, closeSheet]);
  return (
    <aside className={sheetOpen ? "inspector open" : "inspector"} ref={sheet} tabIndex={-1} aria-label="At this point">
      <div className="inspector-head">
        <div className="tabs" role="group" aria-label="Show">
          <button type="button" aria-pressed={show !== "state"} onClick={() => choose("details")}>
            Details
          </button>
          <button type="button" aria-pressed={show === "state"} onClick={() => choose("state")}>
            State of agents
          </button>
        </div>
        <button type="button" className="inspector-close" onClick={closeSheet}>
          <Icon name="close" />
          <span className="unseen">Close</span>
        </button>
      </div>
      <div className="inspector-body">
        {show === "state" ? (
          <StatePanel session={session} event={event} before={before} />
        ) : entry !== undefined ? (
          <EntryDetails entry={entry} event={event} />
        ) : (
          <EventDetails event={event} agent={agent} />
        )}
      </div>
    </aside>
  );
}
