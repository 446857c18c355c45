import type { ReactNode } from "react";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import { When } from "../ui/time.tsx";
import { actorWords, EVENT_WORDS, startedWords } from "../ui/words.ts";
import { JsonView } from "../values/json-view.tsx";
import { LongText } from "../values/text.tsx";
import { EffectDetails } from "./effect-details.tsx";
import type { Entry, Milestone } from "./entries.ts";
import { ErrorView, Part } from "./part.tsx";
import { RawEvents } from "./raw-events.tsx";

/** Everything about one entry, and under it the events that it is made of. */
export function EntryDetails({ entry, event }: { readonly entry: Entry; readonly event: JournalEvent }) {
  return (
    <article className="details">
      {entry.kind === "effect" ? <EffectDetails entry={entry} /> : <MilestoneDetails entry={entry} />}
      <RawEvents events={entry.events} current={event} />
    </article>
  );
}

/** An event that belongs to no entry, such as the end of a superstep. */
export function EventDetails({ event, agent }: { readonly event: JournalEvent; readonly agent: string }) {
  return (
    <article className="details">
      <h2>{EVENT_WORDS[event.type]}</h2>
      <p className="dim">
        {agent}, <When at={event.at} />
      </p>
      <RawEvents events={[event]} current={event} open />
    </article>
  );
}

function MilestoneDetails({ entry }: { readonly entry: Milestone }) {
  const { what } = entry;
  const head = (title: string): ReactNode => (
    <header className="details-head">
      <h2>
        {entry.agent} {title}
      </h2>
    </header>
  );
  switch (what.type) {
    case "run_started":
      return (
        <>
          {head(startedWords(what))}
          <p>
            In a session of {actorWords(what.startedBy)}
            {what.version !== undefined && (
              <>
                , version{" "}
                <span className="mono" title={what.version}>
                  {what.version.slice(0, 12)}
                </span>
              </>
            )}
          </p>
          <Part title="Input">
            <JsonView value={what.input} />
          </Part>
        </>
      );
    case "run_taken_over":
      return (
        <>
          {head("was taken over")}
          <p>
            {what.before} stopped without a word. {what.worker} went on from the record: what was finished was not done
            again.
          </p>
        </>
      );
    case "run_finished":
      return (
        <>
          {head("finished")}
          <Part title="Output">
            <JsonView value={what.output} />
          </Part>
        </>
      );
    case "node_failed":
    case "node_retried":
    case "run_failed":
      return (
        <>
          {head(what.type === "run_failed" ? "failed" : `failed in node ${what.name}`)}
          {what.type === "node_retried" && <p>The node runs again. What its calls gave is kept.</p>}
          <ErrorView error={what.error} />
        </>
      );
    case "run_quarantined":
      return (
        <>
          {head("was put in quarantine")}
          <p>
            It crashed {what.crashes} workers in a row, each while nothing else ran there. No worker takes it before a
            person releases it or cancels it.
          </p>
        </>
      );
    case "cancel_requested":
    case "run_released":
    case "run_cancelled":
      return (
        <>
          {head(PERSON_WORDS[what.type])}
          <p>
            By {actorWords(what.by)}: <LongText text={what.reason} />
          </p>
        </>
      );
  }
}

const PERSON_WORDS = {
  cancel_requested: "was asked to end",
  run_released: "was released from quarantine",
  run_cancelled: "was cancelled",
} as const;
