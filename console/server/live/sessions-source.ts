import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import type { SessionSummary } from "../../../runtime/core/protocol.ts";
import type { ListNews, ListSource } from "./list-feed.ts";

/** So many sessions are sent to a new subscriber and compared at each look. */
const RECENT = 200;
/** So many sent summaries are remembered, to leave out what has not changed. */
const REMEMBERED = 2000;

/** The list of sessions: the same for everybody. */
export function sessionsSource(services: Pick<ConsoleServices, "recentSessions" | "sessionSummaries">): ListSource {
  const sent = new Map<string, string>();
  const remember = (session: string, text: string): void => {
    // Last in the map: the oldest are forgotten first.
    sent.delete(session);
    sent.set(session, text);
    if (sent.size <= REMEMBERED) return;
    const [oldest] = sent.keys();
    if (oldest !== undefined) sent.delete(oldest);
  };
  return {
    async read({ moved, look }) {
      const recent = (look ? await services.recentSessions(RECENT) : []).map(asNews);
      const named = (moved.length > 0 ? await services.sessionSummaries(moved) : []).map(asNews);
      const changed = new Map(
        [...recent, ...named].flatMap(([session, news]) =>
          sent.get(session) === news.text ? [] : [[session, news] as const],
        ),
      );
      return {
        all: () => Promise.resolve(recent.map(([, each]) => each)),
        changed: () => Promise.resolve([...changed.values()]),
        told: () => {
          for (const [session, { text }] of changed) remember(session, text);
        },
      };
    },
  };
}

function asNews(session: SessionSummary): readonly [string, ListNews] {
  return [session.session, { type: "session", text: JSON.stringify(session) }];
}
