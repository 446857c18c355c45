import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import type { Principal } from "../../../runtime/core/people.ts";
import type { ListNews, ListSource } from "./list-feed.ts";

/** So many of those that wait are sent to a new subscriber: the oldest, as a page of the list has them. */
const FIRST = 200;

/** One kind of things that wait for people, each of which looks different to different readers. */
interface Inbox<View> {
  readonly type: "approval" | "question";
  /** The ids of the oldest that wait, each with a text that changes whenever something about it does. */
  readonly waiting: () => Promise<ReadonlyMap<string, string>>;
  readonly list: (reader: Principal) => Promise<readonly View[]>;
  readonly these: (reader: Principal, ids: readonly string[]) => Promise<readonly View[]>;
}

export function approvalsSource(
  services: Pick<ConsoleServices, "pendingApprovals" | "listApprovals" | "theseApprovals">,
): ListSource {
  return inboxSource({
    type: "approval",
    waiting: () => services.pendingApprovals(),
    list: async (reader) => (await services.listApprovals(reader, { status: "pending", limit: FIRST })).approvals,
    these: (reader, ids) => services.theseApprovals(reader, ids),
  });
}

export function questionsSource(
  services: Pick<ConsoleServices, "openQuestions" | "listQuestions" | "theseQuestions">,
): ListSource {
  return inboxSource({
    type: "question",
    waiting: () => services.openQuestions(),
    list: async (reader) => (await services.listQuestions(reader, { status: "open", limit: FIRST })).questions,
    these: (reader, ids) => services.theseQuestions(reader, ids),
  });
}

/**
 * What has changed is found once for all (a list of ids); the things themselves are read once for each
 * person, because what they may do differs.
 */
function inboxSource<View>(inbox: Inbox<View>): ListSource {
  let known: ReadonlyMap<string, string> = new Map();
  const asNews = (view: View): ListNews => ({ type: inbox.type, text: JSON.stringify(view) });
  return {
    async read() {
      const waiting = await inbox.waiting();
      const changed = [...waiting].filter(([id, text]) => known.get(id) !== text).map(([id]) => id);
      const gone = [...known.keys()].filter((id) => !waiting.has(id));
      const read = async (reader: Principal, ids: readonly string[]): Promise<ListNews[]> =>
        ids.length === 0 ? [] : (await inbox.these(reader, ids)).map(asNews);
      return {
        // What has just gone may still be on a page that its reader loaded before.
        all: async (reader) => [...(await read(reader, gone)), ...(await inbox.list(reader)).map(asNews)],
        changed: (reader) => read(reader, [...gone, ...changed]),
        told() {
          known = waiting;
        },
      };
    },
  };
}
