import { ago } from "./duration.ts";
import { useNow } from "./use-now.ts";

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** How long ago, with the full time for those who point at it or ask a screen reader. */
export function Ago({ at }: { readonly at: number }) {
  const now = useNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={FULL.format(at)}>
      {ago(at, now)}
    </time>
  );
}

/** The time of day to the second. */
export function Clock({ at }: { readonly at: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={FULL.format(at)}>
      {CLOCK.format(at)}
    </time>
  );
}

/** Day and time. */
export function When({ at }: { readonly at: number }) {
  return <time dateTime={new Date(at).toISOString()}>{FULL.format(at)}</time>;
}
