import { Link } from "@tanstack/react-router";
import type { Wait } from "../../../runtime/core/events.ts";
import type { SessionSummary } from "../../../runtime/core/protocol.ts";
import { Badge } from "../ui/badge.tsx";
import { duration } from "../ui/duration.ts";
import { shortId } from "../ui/short-id.ts";
import { When } from "../ui/time.tsx";
import { actorWords, count, RUN_STATUS_WORDS, tellingWaits, waitWords } from "../ui/words.ts";
import { Text } from "../values/text.tsx";
import { VerifyBadge } from "./verify-badge.tsx";

interface HeaderProps {
  readonly summary: SessionSummary;
  /** How many events the page holds. */
  readonly events: number;
  readonly agentOf: (run: string) => string;
}

export function SessionHeader({ summary, events, agentOf }: HeaderProps) {
  const status = RUN_STATUS_WORDS[summary.status];
  return (
    <header className="session-head">
      <p className="crumb">
        <Link to="/sessions">
          <span aria-hidden="true">← </span>All sessions
        </Link>
      </p>
      <div className="session-title">
        <h1>{summary.key === null ? `Session ${shortId(summary.session)}` : <Text text={summary.key} />}</h1>
        <Badge tone={status.tone} text={status.text} />
        <VerifyBadge session={summary.session} events={events} ended={summary.endedAt !== null} agentOf={agentOf} />
      </div>
      <dl className="facts inline">
        <div>
          <dt>Agent</dt>
          <dd>{summary.agent}</dd>
        </div>
        <div>
          <dt>Started by</dt>
          <dd>{actorWords(summary.startedBy)}</dd>
        </div>
        <div>
          <dt>Started</dt>
          <dd>
            <When at={summary.startedAt} />
          </dd>
        </div>
        {summary.endedAt !== null && (
          <div>
            <dt>Took</dt>
            <dd>{duration(summary.endedAt - summary.startedAt)}</dd>
          </div>
        )}
        <div>
          <dt>Record</dt>
          <dd>
            {count(events, "event")} in {count(summary.runs, "run")}
          </dd>
        </div>
        <div>
          <dt>Session id</dt>
          <dd className="mono">{summary.session}</dd>
        </div>
      </dl>
      {summary.endedAt === null && <WaitsFor summary={summary} />}
    </header>
  );
}

/** What the session waits for, and where to go to do something about it. */
function WaitsFor({ summary }: { readonly summary: SessionSummary }) {
  const waits = tellingWaits(summary.waits);
  if (waits.length === 0) return null;
  return (
    <ul className="waits-list">
      {waits.map((wait) => (
        <li key={`${wait.kind}${wait.effect}`} className="notice wait">
          <span>
            Waits for <Text text={waitWords(wait)} />.
          </span>
          <WayOn wait={wait} />
        </li>
      ))}
    </ul>
  );
}

function WayOn({ wait }: { readonly wait: Wait }) {
  switch (wait.kind) {
    case "approval":
      return (
        <Link to="/inbox" search={{ approval: wait.approval }} className="button small">
          Open the approval
        </Link>
      );
    case "human":
      return (
        <Link to="/inbox" search={{ question: wait.question }} className="button small">
          Open the question
        </Link>
      );
    case "doubt":
      return (
        <Link to="/inbox" search={{ only: "doubts" }} className="button small">
          Open the calls in doubt
        </Link>
      );
    case "answer":
    case "timer":
    case "retry":
    case "turn":
    case "message":
      return null;
  }
}
