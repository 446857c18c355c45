import { getRouteApi } from "@tanstack/react-router";
import { useCallback, useEffect, useEffectEvent, useMemo } from "react";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import { parsePosition, positionText } from "./position.ts";

const route = getRouteApi("/signed-in/sessions/$session");

export interface PositionControl {
  /** The index of the event that the page stands right after. */
  readonly at: number;
  readonly last: number;
  /** True while the page stands at the newest event, whatever comes. */
  readonly following: boolean;
  readonly go: (index: number) => void;
  readonly follow: () => void;
}

/** Where in the record the page stands; the address holds it. Arrow keys move it. */
export function usePosition(events: readonly JournalEvent[]): PositionControl {
  const { at: text } = route.useSearch();
  const navigate = route.useNavigate();
  const places = useMemo(
    () => new Map(events.map((event, i) => [positionText({ run: event.run, seq: event.seq }), i])),
    [events],
  );
  const last = events.length - 1;
  const asked = parsePosition(text);
  const found = asked === undefined ? undefined : places.get(positionText(asked));
  const at = found ?? last;

  const go = useCallback(
    (index: number): void => {
      const event = events[Math.max(0, Math.min(events.length - 1, index))];
      if (event === undefined) return;
      const next = positionText({ run: event.run, seq: event.seq });
      void navigate({ search: (search) => ({ ...search, at: next }), replace: true, resetScroll: false });
    },
    [events, navigate],
  );
  const follow = (): void => {
    void navigate({ search: ({ at: _at, ...rest }) => rest, replace: true, resetScroll: false });
  };

  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || takesArrows(event.target)) return;
    if (event.key === "ArrowLeft") go(at - 1);
    else if (event.key === "ArrowRight") go(at + 1);
    else return;
    event.preventDefault();
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => onKey(event);
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);

  return { at, last, following: found === undefined, go, follow };
}

/** Fields use the arrow keys themselves. */
function takesArrows(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, [role=tablist]") !== null;
}
