import { Link } from "@tanstack/react-router";
import type { SessionSummary } from "../../../runtime/core/protocol.ts";
import { Badge } from "../ui/badge.tsx";
import { duration } from "../ui/duration.ts";
import { shortId } from "../ui/short-id.ts";
import { Ago } from "../ui/time.tsx";
import { actorWords, count, RUN_STATUS_WORDS, tellingWaits, waitWords } from "../ui/words.ts";
import { Text } from "../values/text.tsx";

/** One row a session. On a narrow screen each row folds into a small block; the roles stay a table's. */
export function SessionsTable({ sessions }: { readonly sessions: readonly SessionSummary[] }) {
  return (
    <table className="table sessions" role="table">
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader">Session</th>
          <th role="columnheader">Status</th>
          <th role="columnheader">Agent</th>
          <th role="columnheader">Started by</th>
          <th role="columnheader">Started</th>
          <th role="columnheader">Took</th>
          <th role="columnheader" className="number">
            Events
          </th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {sessions.map((session) => (
          <SessionRow key={session.session} session={session} />
        ))}
      </tbody>
    </table>
  );
}

function SessionRow({ session }: { readonly session: SessionSummary }) {
  const status = RUN_STATUS_WORDS[session.status];
  return (
    <tr role="row">
      <td role="cell" className="col-key">
        <Link to="/sessions/$session" params={{ session: session.session }} className="row-link">
          {session.key === null ? (
            <span className="mono">{shortId(session.session)}</span>
          ) : (
            <Text text={session.key} />
          )}
        </Link>
      </td>
      <td role="cell" className="col-status">
        <Badge tone={status.tone} text={status.text} />
        <Waits session={session} />
      </td>
      <td role="cell" className="col-agent">
        {session.agent}
        {session.runs > 1 && <span className="dim"> +{count(session.runs - 1, "run")}</span>}
      </td>
      <td role="cell" className="col-by">
        {actorWords(session.startedBy)}
      </td>
      <td role="cell" className="col-when">
        <Ago at={session.startedAt} />
      </td>
      <td role="cell" className="col-took">
        {session.endedAt === null ? "" : duration(session.endedAt - session.startedAt)}
      </td>
      <td role="cell" className="col-events number">
        {session.events.toLocaleString("en")}
        <span className="unit"> events</span>
      </td>
    </tr>
  );
}

function Waits({ session }: { readonly session: SessionSummary }) {
  const [first, ...more] = tellingWaits(session.waits);
  if (first === undefined || session.endedAt !== null) return null;
  return (
    <span className="waits">
      for <Text text={waitWords(first)} />
      {more.length > 0 && ` and ${String(more.length)} more`}
    </span>
  );
}
