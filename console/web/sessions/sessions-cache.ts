import type { SessionsPage, SessionSummary } from "../../../runtime/core/protocol.ts";
import type { SessionsFilter } from "../client/requests.ts";

/**
 * Takes one session that is new or has changed into the pages that a list has loaded. A session that
 * no longer fits the filter leaves; one that is older than everything loaded waits for its page.
 */
export function withSession(
  pages: readonly SessionsPage[],
  session: SessionSummary,
  filter: SessionsFilter,
): readonly SessionsPage[] {
  const known = pages.flatMap((page) => page.sessions).find((old) => old.session === session.session);
  // A summary that knows of fewer events is older, whenever it arrives.
  if (known !== undefined && (known.events > session.events || same(known, session))) return pages;
  const without = known === undefined ? pages : pages.map((page) => ({ ...page, sessions: drop(page, session) }));
  if (!fits(session, filter)) return without;
  const at = without.findIndex(
    (page) => page.next === null || page.sessions.some((old) => newestFirst(session, old) < 0),
  );
  return without.map((page, i) =>
    i === at ? { ...page, sessions: [...page.sessions, session].toSorted(newestFirst) } : page,
  );
}

/** All loaded sessions, each once, newest first. */
export function loadedSessions(pages: readonly SessionsPage[]): readonly SessionSummary[] {
  const bySession = new Map<string, SessionSummary>();
  for (const session of pages.flatMap((page) => page.sessions)) {
    const known = bySession.get(session.session);
    if (known === undefined || known.events < session.events) bySession.set(session.session, session);
  }
  return [...bySession.values()].toSorted(newestFirst);
}

function same(a: SessionSummary, b: SessionSummary): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function drop(page: SessionsPage, session: SessionSummary): readonly SessionSummary[] {
  return page.sessions.filter((old) => old.session !== session.session);
}

function fits(session: SessionSummary, filter: SessionsFilter): boolean {
  if (filter.status !== undefined && filter.status !== session.status) return false;
  return filter.agent === undefined || filter.agent === session.agent;
}

function newestFirst(a: SessionSummary, b: SessionSummary): number {
  return b.startedAt - a.startedAt || (a.session < b.session ? 1 : a.session > b.session ? -1 : 0);
}
