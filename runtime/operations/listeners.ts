import { assertOperator } from "../core/authority.ts";
import type { Database } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import type { ListenerView } from "../core/messages-protocol.ts";
import type { Principal } from "../core/people.ts";
import { ListenerThereError } from "./errors.ts";
import { assertReason } from "./reason.ts";
import { workersThere } from "./workers-there.ts";

/** The agents that listen to topics, as their newest worker has said. */
export function listListeners(database: Database): Promise<ListenerView[]> {
  return database.query<ListenerView>(
    "select agent, topics, queue from listening order by agent",
    [],
    "list_listeners",
  );
}

/**
 * Says that an agent will not come back: from now on nothing is published to it, and its full queue holds up nobody.
 * What was sent to it before stays where it is. A worker that has it makes it a listener again.
 *
 * @throws `NotFoundError`, {@link ListenerThereError}, `ForbiddenError`, `InvalidInputError` for a reason that cannot
 *   be recorded.
 */
export async function forgetListener(
  database: Database,
  by: Principal,
  { agent, reason }: { readonly agent: string; readonly reason: string },
): Promise<void> {
  assertOperator(by, "forget a listener");
  assertReason(reason);
  const there = await workersThere(database);
  if (there.versions.has(agent)) {
    throw new ListenerThereError(
      `A worker that is there has the agent ${agent}, and would make it a listener again. Nothing was changed. Stop its workers, or take the agent out of their configuration, and try again half a minute later.`,
      { details: { agent } },
    );
  }
  const forgotten = await database.query(
    `update listeners set forgotten_at = clock_timestamp(), forgotten_by = $2, forgotten_reason = $3
     where agent = $1 and agent in (select agent from listening) returning agent`,
    [agent, by.name, reason],
  );
  if (forgotten.length > 0) return;
  throw new NotFoundError(`No agent ${agent} listens to a topic. "npx signalbox topics" shows who does.`, {
    details: { agent },
  });
}
