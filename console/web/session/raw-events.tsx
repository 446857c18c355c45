import { useState } from "react";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import type { JsonValue } from "../../../runtime/core/json.ts";
import { Clock } from "../ui/time.tsx";
import { EVENT_WORDS } from "../ui/words.ts";
import { JsonView } from "../values/json-view.tsx";
import { Part } from "./part.tsx";

interface RawEventsProps {
  readonly events: readonly JournalEvent[];
  readonly current: JournalEvent;
  readonly open?: boolean;
}

/** The journal's own records, as they were hashed. */
export function RawEvents({ events, current, open = false }: RawEventsProps) {
  return (
    <Part title={events.length === 1 ? "Event" : "Events"}>
      {events.map((event) => (
        <RawEvent key={event.hash} event={event} isCurrent={event === current} open={open} />
      ))}
    </Part>
  );
}

interface RawEventProps {
  readonly event: JournalEvent;
  readonly isCurrent: boolean;
  readonly open: boolean;
}

/** Drawn only once opened: a payload can be large, and most are not looked at. */
function RawEvent({ event, isCurrent, open }: RawEventProps) {
  const [opened, setOpened] = useState(open);
  return (
    <details className="raw" open={opened} onToggle={(toggle) => setOpened(toggle.currentTarget.open)}>
      <summary>
        <span className={isCurrent ? "raw-name here" : "raw-name"}>{EVENT_WORDS[event.type]}</span>
        <span className="dim">
          <span className="mono">{event.type}</span> · {event.seq} · <Clock at={event.at} />
        </span>
      </summary>
      {opened && (
        <>
          <JsonView value={event.data as unknown as JsonValue} />
          <dl className="facts">
            <div>
              <dt>Hash</dt>
              <dd className="mono">{event.hash}</dd>
            </div>
            <div>
              <dt>Previous</dt>
              <dd className="mono">{event.prev}</dd>
            </div>
            <div>
              <dt>Run</dt>
              <dd className="mono">{event.run}</dd>
            </div>
          </dl>
        </>
      )}
    </details>
  );
}
