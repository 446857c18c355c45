import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useDeferredValue } from "react";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import type { RunState } from "../../../runtime/core/protocol.ts";
import { queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import { Badge } from "../ui/badge.tsx";
import { ErrorState, Loading } from "../ui/states.tsx";
import { RUN_STATUS_WORDS, waitWords } from "../ui/words.ts";
import { JsonView, Readable } from "../values/json-view.tsx";
import { Text } from "../values/text.tsx";

interface StatePanelProps {
  readonly session: string;
  readonly event: JournalEvent;
  readonly before: JournalEvent | undefined;
}

/** The state of each agent right after an event; what that event changed is marked. */
export function StatePanel({ session, event, before }: StatePanelProps) {
  const { api } = useApp();
  // While the position runs along, only the states where it rests are asked for.
  const at = useDeferredValue(event);
  const previous = useDeferredValue(before);
  const query = useQuery({
    ...queries.sessionState(api, session, at.run, at.seq),
    placeholderData: keepPreviousData,
  });
  const earlier = useQuery({
    ...queries.sessionState(api, session, previous?.run ?? "", previous?.seq ?? 0),
    enabled: previous !== undefined,
  });
  if (query.isPending) return <Loading what="the state" rows={4} />;
  if (query.isError) return <ErrorState error={query.error} what="state" retry={() => void query.refetch()} />;
  const runs = query.data.runs.filter((run) => run.status !== "not_started");
  return (
    <div className={query.isPlaceholderData ? "states stale" : "states"} aria-busy={query.isPlaceholderData}>
      {runs.map((run) => (
        <OneRun
          key={run.run}
          run={run}
          open={run.run === at.run}
          before={earlier.data?.runs.find((other) => other.run === run.run)}
          compare={previous === undefined || earlier.data !== undefined}
        />
      ))}
    </div>
  );
}

interface OneRunProps {
  readonly run: RunState;
  readonly open: boolean;
  readonly before: RunState | undefined;
  /** False while what was before is not known yet. */
  readonly compare: boolean;
}

function OneRun({ run, open, before, compare }: OneRunProps) {
  const word = RUN_STATUS_WORDS[run.status];
  const channels = Object.entries(run.state);
  return (
    <details className="run-state" open={open}>
      <summary>
        <span className="run-agent">{run.agent}</span>
        <Badge tone={word.tone} text={word.text} />
        <span className="dim">after its event {run.seq}</span>
      </summary>
      {run.waits.map((wait) => (
        <p key={`${wait.kind}${wait.effect}`} className="run-wait">
          Waits for <Text text={waitWords(wait)} />
        </p>
      ))}
      {channels.length === 0 ? (
        <p className="dim">Its state is empty.</p>
      ) : (
        <dl className="channels">
          {channels.map(([channel, value]) => {
            const changed = compare && JSON.stringify(before?.state[channel]) !== JSON.stringify(value);
            return (
              <div key={channel} className={changed ? "channel changed" : "channel"}>
                <dt>
                  <Text text={channel} />
                  {changed && <span className="changed-mark">changed here</span>}
                </dt>
                <dd>
                  <JsonView value={value} depth={1} />
                  <Readable name={channel} value={value} beside={run.state} />
                </dd>
              </div>
            );
          })}
        </dl>
      )}
    </details>
  );
}
