import type { Database } from "../core/database.ts";
import type { ListenerView } from "../core/messages-protocol.ts";

/** The agents that listen to topics, as their newest worker has said. */
export function listListeners(database: Database): Promise<ListenerView[]> {
  return database.query<ListenerView>(
    "select agent, topics, queue from listeners where topics <> '{}' and seen_at > clock_timestamp() - interval '7 days' order by agent",
    [],
    "list_listeners",
  );
}
