import type { RunStatus } from "../../../runtime/core/events.ts";
import { RUN_STATUS_ORDER } from "../ui/words.ts";

/**
 * What pages keep in the query of their address. Each reader takes what fits and drops the rest, so
 * that a mangled link still opens the page.
 */
export interface SignInSearch {
  readonly code?: string;
  readonly next?: string;
}

export function signInSearch(raw: Readonly<Record<string, unknown>>): SignInSearch {
  return { ...textField("code", raw["code"]), ...textField("next", localAddress(raw["next"])) };
}

export interface SessionsSearch {
  readonly status?: RunStatus;
  readonly agent?: string;
}

export function sessionsSearch(raw: Readonly<Record<string, unknown>>): SessionsSearch {
  const status = RUN_STATUS_ORDER.find((known) => known === raw["status"]);
  return { ...(status === undefined ? {} : { status }), ...textField("agent", raw["agent"]) };
}

export interface SessionSearch {
  /** `<run>.<seq>`; without it the page follows the newest event. */
  readonly at?: string;
  readonly show?: "state";
}

export function sessionSearch(raw: Readonly<Record<string, unknown>>): SessionSearch {
  return { ...textField("at", raw["at"]), ...(raw["show"] === "state" ? { show: "state" as const } : {}) };
}

export interface ApprovalsSearch {
  readonly show?: "decided";
  /** The approval that a link points at. */
  readonly approval?: string;
}

export function approvalsSearch(raw: Readonly<Record<string, unknown>>): ApprovalsSearch {
  return {
    ...(raw["show"] === "decided" ? { show: "decided" as const } : {}),
    ...textField("approval", raw["approval"]),
  };
}

function textField<Key extends string>(key: Key, value: unknown): { readonly [K in Key]?: string } {
  if (typeof value !== "string" || value === "") return {};
  return { [key]: value } as { readonly [K in Key]: string };
}

/** A path of this console: never another site, which `//host` and `/\host` would be. */
function localAddress(value: unknown): unknown {
  return typeof value === "string" && /^\/(?![/\\])/.test(value) ? value : undefined;
}
