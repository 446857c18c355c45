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

/** The kinds of things that wait for people. */
export const INBOX_KINDS = ["doubts", "approvals", "questions"] as const;
export type InboxKind = (typeof INBOX_KINDS)[number];

export interface InboxSearch {
  readonly show?: "settled";
  /** Narrows what waits to one kind. */
  readonly only?: InboxKind;
  /** What a link points at. */
  readonly approval?: string;
  readonly question?: string;
  /** `<run>/<effect>`. */
  readonly doubt?: string;
}

export function inboxSearch(raw: Readonly<Record<string, unknown>>): InboxSearch {
  const only = INBOX_KINDS.find((known) => known === raw["only"]);
  return {
    // "decided" is what the address said when the inbox held approvals alone.
    ...(raw["show"] === "settled" || raw["show"] === "decided" ? { show: "settled" as const } : {}),
    ...(only === undefined ? {} : { only }),
    ...textField("approval", raw["approval"]),
    ...textField("question", raw["question"]),
    ...textField("doubt", raw["doubt"]),
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
