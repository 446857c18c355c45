/**
 * Whether the page hears the server, as a pure machine: `step` says what follows from what happened,
 * and the connection does what the new state asks for. Times are milliseconds of any one clock.
 */
export type ConnectionState =
  | { readonly phase: "stopped" }
  | { readonly phase: "connecting"; readonly attempt: number; readonly lostAt: number | null; readonly since: number }
  | { readonly phase: "open"; readonly heardAt: number }
  | { readonly phase: "waiting"; readonly attempt: number; readonly lostAt: number; readonly retryAt: number }
  | { readonly phase: "refused"; readonly reason: "protocol_mismatch" | "signed_out"; readonly lostAt: number };

export type ConnectionInput =
  | { readonly type: "start" }
  | { readonly type: "stop" }
  /** The server has said `welcome` in our version. */
  | { readonly type: "welcomed" }
  | { readonly type: "heard" }
  | { readonly type: "closed"; readonly reason: string }
  /** A person asks, or the browser says that the network or the page is back. */
  | { readonly type: "retry_now" }
  /** Time has passed. */
  | { readonly type: "tick" };

export interface ConnectionLimits {
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
  /** Without a word for this long an open socket counts as lost. */
  readonly silenceMs: number;
  /** A socket that has not been welcomed by then counts as lost. */
  readonly connectMs: number;
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  firstRetryMs: 500,
  longestRetryMs: 15_000,
  silenceMs: 60_000,
  connectMs: 10_000,
};

/**
 * The next state. `random` (0 to 1) spreads the retries of many pages over time, so that a server that
 * comes back is not met by all of them at once.
 */
export function step(
  state: ConnectionState,
  input: ConnectionInput,
  now: number,
  random: number,
  limits: ConnectionLimits = CONNECTION_LIMITS,
): ConnectionState {
  switch (input.type) {
    case "stop":
      return { phase: "stopped" };
    case "start":
      return state.phase === "stopped" ? { phase: "connecting", attempt: 1, lostAt: null, since: now } : state;
    case "welcomed":
      return state.phase === "connecting" ? { phase: "open", heardAt: now } : state;
    case "heard":
      return state.phase === "open" ? { phase: "open", heardAt: now } : state;
    case "closed":
      return closed(state, input.reason, now, random, limits);
    case "retry_now":
      return state.phase === "waiting" ? reconnect(state, now) : state;
    case "tick":
      return ticked(state, now, random, limits);
  }
}

/** When `tick` is due; null if nothing happens by itself. */
export function nextTickAt(state: ConnectionState, limits: ConnectionLimits = CONNECTION_LIMITS): number | null {
  switch (state.phase) {
    case "connecting":
      return state.since + limits.connectMs;
    case "open":
      return state.heardAt + limits.silenceMs;
    case "waiting":
      return state.retryAt;
    case "stopped":
    case "refused":
      return null;
  }
}

function ticked(state: ConnectionState, now: number, random: number, limits: ConnectionLimits): ConnectionState {
  const due = nextTickAt(state, limits);
  if (due === null || now < due) return state;
  return state.phase === "waiting" ? reconnect(state, now) : closed(state, "silence", now, random, limits);
}

function reconnect(state: ConnectionState & { phase: "waiting" }, now: number): ConnectionState {
  return { phase: "connecting", attempt: state.attempt, lostAt: state.lostAt, since: now };
}

function closed(
  state: ConnectionState,
  reason: string,
  now: number,
  random: number,
  limits: ConnectionLimits,
): ConnectionState {
  if (state.phase !== "connecting" && state.phase !== "open") return state;
  const lostAt = state.phase === "connecting" ? (state.lostAt ?? now) : now;
  if (reason === "protocol_mismatch" || reason === "signed_out") return { phase: "refused", reason, lostAt };
  const attempt = state.phase === "connecting" ? state.attempt + 1 : 1;
  const longest = Math.min(limits.longestRetryMs, limits.firstRetryMs * 2 ** (attempt - 1));
  return { phase: "waiting", attempt, lostAt, retryAt: now + longest * (0.5 + random / 2) };
}
