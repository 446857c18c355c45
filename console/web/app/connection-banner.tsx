import { useApp } from "./context.ts";
import { useConnectionState } from "../live/use-live.ts";
import { Clock } from "../ui/time.tsx";
import { useNow } from "../ui/use-now.ts";

/** Says when what is shown may be old, since when, and what happens next. */
export function ConnectionBanner() {
  const state = useConnectionState();
  switch (state.phase) {
    case "stopped":
    case "open":
      return null;
    case "connecting":
      return state.lostAt === null ? null : <Lost since={state.lostAt} retryAt={null} />;
    case "waiting":
      return <Lost since={state.lostAt} retryAt={state.retryAt} />;
    case "refused":
      return state.reason === "protocol_mismatch" ? <Outdated /> : null;
  }
}

function Lost({ since, retryAt }: { readonly since: number; readonly retryAt: number | null }) {
  const { live } = useApp();
  return (
    <div className="banner" role="alert">
      <p>
        <strong>The connection to the server is lost.</strong> You see what was here at <Clock at={since} />.{" "}
        <span aria-hidden="true">{retryAt === null ? "Trying again now." : <RetryIn at={retryAt} />}</span>
      </p>
      <button type="button" className="small" disabled={retryAt === null} onClick={() => live.retryNow()}>
        Try now
      </button>
    </div>
  );
}

function RetryIn({ at }: { readonly at: number }) {
  const { live } = useApp();
  const seconds = Math.max(1, Math.ceil((at + live.clockOffsetMs - useNow()) / 1000));
  return <>Trying again in {seconds} s.</>;
}

function Outdated() {
  return (
    <div className="banner" role="alert">
      <p>
        <strong>The server was updated.</strong> This page is from before and no longer gets news.
      </p>
      <button type="button" className="small" onClick={() => window.location.reload()}>
        Load the new page
      </button>
    </div>
  );
}
