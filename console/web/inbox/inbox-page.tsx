import { getRouteApi } from "@tanstack/react-router";
import { InboxTab } from "./inbox-tab.tsx";
import { Settled } from "./settled.tsx";
import { Waiting } from "./waiting.tsx";

const route = getRouteApi("/signed-in/inbox");

/** What needs me? Held calls, calls in doubt and questions; and what people did with earlier ones. */
export function InboxPage() {
  const { show } = route.useSearch();
  return (
    <>
      <div className="page-head">
        <h1>Inbox</h1>
        <nav className="tabs" aria-label="Waiting or settled">
          <InboxTab search={{}} on={show === undefined}>
            Waiting
          </InboxTab>
          <InboxTab search={{ show: "settled" }} on={show === "settled"}>
            Settled
          </InboxTab>
        </nav>
      </div>
      {show === "settled" ? <Settled /> : <Waiting />}
    </>
  );
}
