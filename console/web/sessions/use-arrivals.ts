import { useEffect, useState } from "react";
import type { SessionSummary } from "../../../runtime/core/protocol.ts";

/** Within so many pixels of the top the list follows what is new. */
const TOP_PX = 80;

interface Arrivals {
  readonly shown: readonly SessionSummary[];
  readonly arrived: number;
  readonly showArrived: () => void;
}

/**
 * Keeps the list still under somebody who has scrolled down: what has arrived since then is counted,
 * and shown when they ask for it or go back to the top.
 */
export function useArrivals(sessions: readonly SessionSummary[]): Arrivals {
  const [knownAt, setKnownAt] = useState<ReadonlySet<string>>();
  useEffect(() => {
    const onScroll = (): void => {
      if (window.scrollY <= TOP_PX) setKnownAt(undefined);
      else setKnownAt((known) => known ?? new Set(sessions.map((session) => session.session)));
    };
    window.addEventListener("scroll", onScroll, { passive: true });
    return () => window.removeEventListener("scroll", onScroll);
  }, [sessions]);
  // Older pages that are loaded while scrolled down are no arrivals: they come after what was known.
  const newest = knownAt === undefined ? -1 : sessions.findIndex((session) => knownAt.has(session.session));
  const arrived = Math.max(0, newest);
  return {
    shown: arrived === 0 ? sessions : sessions.slice(arrived),
    arrived,
    showArrived: () => {
      setKnownAt(undefined);
      window.scrollTo({ top: 0 });
    },
  };
}
