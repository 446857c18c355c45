import type { JournalEvent } from "../../../runtime/core/events.ts";
import { Icon } from "../ui/icons.tsx";
import { EVENT_WORDS } from "../ui/words.ts";
import type { PositionControl } from "./use-position.ts";

interface PositionBarProps {
  readonly position: PositionControl;
  readonly event: JournalEvent | undefined;
  readonly agent: string;
  readonly openSheet: () => void;
}

/** Moves through the record, one event at a time. */
export function PositionBar({ position, event, agent, openSheet }: PositionBarProps) {
  const { at, last, following, go, follow } = position;
  return (
    <section className="position" aria-label="Position in the record">
      <div className="position-buttons">
        <button type="button" disabled={at <= 0} onClick={() => go(0)} title="First event">
          <Icon name="first" />
          <span className="unseen">First event</span>
        </button>
        <button type="button" disabled={at <= 0} onClick={() => go(at - 1)} title="Previous event (←)">
          <Icon name="previous" />
          <span className="unseen">Previous event</span>
        </button>
        <button type="button" disabled={at >= last} onClick={() => go(at + 1)} title="Next event (→)">
          <Icon name="next" />
          <span className="unseen">Next event</span>
        </button>
        <button type="button" aria-pressed={following} onClick={follow} title="Newest event; stay there">
          <Icon name="last" />
          <span className="unseen">Newest event</span>
        </button>
      </div>
      <input
        type="range"
        className="position-range"
        aria-label="Event"
        aria-valuetext={
          event === undefined
            ? "none"
            : `${String(at + 1)} of ${String(last + 1)}: ${agent}, ${EVENT_WORDS[event.type]}`
        }
        min={0}
        max={Math.max(0, last)}
        value={at}
        onChange={(change) => go(Number(change.target.value))}
      />
      <button type="button" className="position-text" onClick={openSheet}>
        <span className="position-count">
          {at + 1} of {last + 1}
        </span>
        {event !== undefined && (
          <span className="position-event">
            {agent} · {EVENT_WORDS[event.type]}
          </span>
        )}
      </button>
    </section>
  );
}
