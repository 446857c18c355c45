import { ROUTE_NEEDS } from "../../../console/server/access.ts";
import { RUN_STATUSES } from "../../../runtime/core/events.ts";
import { DEAD_REASONS } from "../../../runtime/core/messages.ts";
import { RARE_AGENT } from "../history/fill.ts";

/** One list with one choice of filters. */
export interface ListQuery {
  /** As `ROUTE_NEEDS` names it. */
  readonly route: string;
  readonly filters: Readonly<Record<string, string>>;
}

type Filters = Readonly<Record<string, readonly string[]>>;

const AGENTS = ["refunds", RARE_AGENT, "nobody"] as const;
const OPEN_STATUSES = ["ready", "running", "parked", "quarantined"] as const;

/**
 * Every route that lists, with the values of each filter that are asked for: each filter alone, each pair of two
 * filters, and none. Some match most of what there is, some one of it all, some nothing.
 */
const LISTS: Readonly<Record<string, Filters>> = {
  "GET /api/sessions": { status: RUN_STATUSES, agent: AGENTS, limit: ["200"] },
  "GET /api/runs": { status: OPEN_STATUSES, agent: [...AGENTS, "legacy"], stuck: ["true"], limit: ["1000"] },
  "GET /api/approvals": { status: ["pending", "decided", "all"] },
  "GET /api/doubts": {},
  "GET /api/questions": { status: ["open", "past", "all"] },
  "GET /api/queues": {},
  "GET /api/topics": {},
  "GET /api/dead-letters": { agent: AGENTS, reason: DEAD_REASONS, all: ["true"], limit: ["1000"] },
  "GET /api/quarantined-messages": { all: ["true"], limit: ["1000"] },
  "GET /api/agents": {},
};

/** Routes that read and do not list, and what they give instead. */
export const NOT_LISTS: Readonly<Record<string, string>> = {
  "GET /api/me": "who asks",
  "GET /api/sessions/:id": "one session with all of its events",
  "GET /api/sessions/:id/state": "one session at one point",
  "GET /api/sessions/:id/verify": "one session, every hash of it computed again",
  "GET /api/approvals/:id": "one approval",
  "GET /api/questions/:id": "one question",
  "GET /api/runs/:id": "one run",
  "GET /api/dead-letters/:id": "one dead letter",
  "GET /api/health": "whether everything is there",
  "GET /*": "a file of the pages",
};

/** @throws Error for a route of the console's server that is neither asked nor said to be no list, or that is not there. */
export function listQueries(): ListQuery[] {
  const reading = Object.keys(ROUTE_NEEDS).filter((route) => route.startsWith("GET "));
  const named = [...Object.keys(LISTS), ...Object.keys(NOT_LISTS)];
  const forgotten = reading.filter((route) => !named.includes(route));
  const gone = named.filter((route) => !reading.includes(route));
  if (forgotten.length > 0 || gone.length > 0) {
    throw new Error(
      `test/bench/queries/lists.ts must name every route that reads. Missing: ${forgotten.join(", ") || "none"}. Not there any more: ${gone.join(", ") || "none"}.`,
    );
  }
  return Object.entries(LISTS).flatMap(([route, filters]) =>
    choices(filters).map((chosen) => ({ route, filters: chosen })),
  );
}

/** No filter, each value of each filter, and each pair of values of two filters. */
function choices(filters: Filters): Record<string, string>[] {
  const single = Object.entries(filters).flatMap(([name, values]) => values.map((value) => [name, value] as const));
  const pairs = single.flatMap((one, i) =>
    single.slice(i + 1).flatMap((other) => (one[0] === other[0] ? [] : [[one, other] as const])),
  );
  return [[], ...single.map((one) => [one]), ...pairs].map((chosen) => Object.fromEntries(chosen));
}
