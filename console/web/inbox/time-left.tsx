import { duration } from "../ui/duration.ts";
import { When } from "../ui/time.tsx";
import { useNow } from "../ui/use-now.ts";

/** Below this part of the time it is pressing. */
const PRESSING = 0.15;

/** How long people still have. When it is over, that counts as no. */
export function TimeLeft({ from, until }: { readonly from: number; readonly until: number }) {
  const now = useNow();
  const left = until - now;
  if (left <= 0) return <span className="time-left pressing">Time is over; this counts as no</span>;
  const part = Math.min(1, left / Math.max(1, until - from));
  return (
    <span className={part < PRESSING ? "time-left pressing" : "time-left"}>
      <span>
        {duration(Math.max(1000, left))} left
        <span className="unseen">
          , until <When at={until} />
        </span>
      </span>
      <meter aria-hidden="true" className="time-bar" min={0} max={1} value={part} />
    </span>
  );
}
