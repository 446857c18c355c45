import { useSyncExternalStore } from "react";
import { useApp } from "../app/context.ts";

function everySecond(tick: () => void): () => void {
  const timer = setInterval(tick, 1000);
  return () => clearInterval(timer);
}

/** The server's time, to the second. What uses it is drawn again every second. */
export function useNow(): number {
  const { live } = useApp();
  const seconds = useSyncExternalStore(everySecond, () => Math.floor((Date.now() + live.clockOffsetMs) / 1000));
  return seconds * 1000;
}
