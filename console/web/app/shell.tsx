import { useQuery } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { useEffect } from "react";
import { queries } from "../client/queries.ts";
import { useConnectionState, useLiveLists } from "../live/use-live.ts";
import { Mark } from "../ui/icons.tsx";
import { ConnectionBanner } from "./connection-banner.tsx";
import { useApp } from "./context.ts";
import { UserMenu } from "./user-menu.tsx";

/** The frame of every page: where to go, whether the page is live, who is signed in. */
export function Shell() {
  useLiveLists();
  const waiting = useWaitingForPeople();
  return (
    <>
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="top">
        <Link to="/sessions" className="brand" aria-label="Signalbox">
          <Mark />
          <span className="brand-name">Signalbox</span>
        </Link>
        <nav className="nav" aria-label="Pages">
          <Link to="/sessions">Sessions</Link>
          <Link to="/inbox">
            Inbox
            {waiting > 0 && (
              <span className="nav-count">
                {waiting}
                <span className="unseen"> waiting</span>
              </span>
            )}
          </Link>
        </nav>
        <LiveSign />
        <UserMenu />
      </header>
      <ConnectionBanner />
      <main className="page" id="main" tabIndex={-1}>
        <Outlet />
      </main>
    </>
  );
}

/** How many things wait for people; also in the title, for those who keep the page in another tab. */
function useWaitingForPeople(): number {
  const { api, queryClient } = useApp();
  const approvals = useQuery(queries.pendingApprovals(api, queryClient));
  const doubts = useQuery(queries.doubts(api, queryClient));
  const questions = useQuery(queries.openQuestions(api, queryClient));
  const held = approvals.data?.filter((approval) => approval.status === "pending").length ?? 0;
  const doubted = doubts.data?.filter((doubt) => !doubt.settled).length ?? 0;
  const asked = questions.data?.filter((question) => question.status === "open").length ?? 0;
  const waiting = held + doubted + asked;
  useEffect(() => {
    document.title = waiting > 0 ? `(${String(waiting)}) Signalbox` : "Signalbox";
  }, [waiting]);
  return waiting;
}

function LiveSign() {
  const state = useConnectionState();
  const open = state.phase === "open";
  const text = open ? "Live" : state.phase === "connecting" && state.lostAt === null ? "Connecting" : "Not live";
  return (
    <span className={open ? "live on" : "live"} role="status">
      <span className="live-lamp" aria-hidden="true" />
      {text}
    </span>
  );
}
