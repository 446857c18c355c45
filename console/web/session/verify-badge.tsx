import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { VerifyReport } from "../../../runtime/core/protocol.ts";
import { isStatus } from "../client/errors.ts";
import { queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import { Icon } from "../ui/icons.tsx";
import { count } from "../ui/words.ts";
import { Text } from "../values/text.tsx";
import { positionText } from "./position.ts";

interface VerifyBadgeProps {
  readonly session: string;
  readonly events: number;
  readonly ended: boolean;
  readonly agentOf: (run: string) => string;
}

/**
 * Whether every hash of the session's record was computed again and found right. A session that still
 * runs is not checked at each new event, only when asked; an ended one is checked once, when opened.
 */
export function VerifyBadge({ session, events, ended, agentOf }: VerifyBadgeProps) {
  const { api } = useApp();
  const query = useQuery({ ...queries.verify(api, session, ended ? events : -1), enabled: events > 0 });
  const again = (): void => void query.refetch();
  if (query.isFetching) return <span className="verify">Checking the record…</span>;
  if (query.isError) {
    return (
      <span className="verify">
        {isStatus(query.error, 403)
          ? "Checking the record needs the role auditor or operator"
          : "The record could not be checked"}
        {!isStatus(query.error, 403) && <AgainButton again={again} />}
      </span>
    );
  }
  if (query.data === undefined) return null;
  return query.data.verified ? (
    <Verified report={query.data} events={events} again={again} />
  ) : (
    <Broken session={session} report={query.data} again={again} agentOf={agentOf} />
  );
}

interface ReportProps {
  readonly report: VerifyReport;
  readonly again: () => void;
}

function Verified({ report, events, again }: ReportProps & { readonly events: number }) {
  const newer = events - report.events;
  return (
    <span className="verify good" title={`Every hash of ${count(report.events, "event")} was computed again.`}>
      <Icon name="shield" />
      Record verified
      {newer > 0 && (
        <>
          <span className="dim"> but for {count(newer, "newer event")}</span>
          <AgainButton again={again} />
        </>
      )}
    </span>
  );
}

function Broken({ session, report, again, agentOf }: ReportProps & Pick<VerifyBadgeProps, "session" | "agentOf">) {
  const { firstBad } = report;
  return (
    <span className="verify bad" role="alert">
      <Icon name="shield" />
      <span>
        Record not verified
        {firstBad !== null && (
          <>
            {": "}
            <Link
              to="/sessions/$session"
              params={{ session }}
              search={{ at: positionText(firstBad) }}
              replace
              resetScroll={false}
            >
              event {firstBad.seq} of {agentOf(firstBad.run)}
            </Link>{" "}
            is the first bad one. <Text text={firstBad.problem} />
          </>
        )}
      </span>
      <AgainButton again={again} />
    </span>
  );
}

function AgainButton({ again }: { readonly again: () => void }) {
  return (
    <button type="button" className="more" onClick={again}>
      Check again
    </button>
  );
}
