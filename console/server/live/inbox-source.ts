import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import { NotFoundError } from "../../../runtime/core/errors.ts";
import type { Principal } from "../../../runtime/core/people.ts";
import type { ListNews, ListSource } from "./list-feed.ts";

/** One kind of things that wait for people, each of which looks different to different readers. */
interface Inbox<View> {
  readonly type: "approval" | "question";
  /** The ids of all that wait, each with a text that changes whenever something about it does. */
  readonly waiting: () => Promise<ReadonlyMap<string, string>>;
  readonly list: (reader: Principal) => Promise<readonly View[]>;
  readonly get: (reader: Principal, id: string) => Promise<View>;
  readonly idOf: (view: View) => string;
}

export function approvalsSource(
  services: Pick<ConsoleServices, "pendingApprovals" | "listApprovals" | "getApproval">,
): ListSource {
  return inboxSource({
    type: "approval",
    waiting: () => services.pendingApprovals(),
    list: (reader) => services.listApprovals(reader, { status: "pending" }),
    get: (reader, id) => services.getApproval(reader, id),
    idOf: (view) => view.approval,
  });
}

export function questionsSource(
  services: Pick<ConsoleServices, "openQuestions" | "listQuestions" | "getQuestion">,
): ListSource {
  return inboxSource({
    type: "question",
    waiting: () => services.openQuestions(),
    list: (reader) => services.listQuestions(reader, { status: "open" }),
    get: (reader, id) => services.getQuestion(reader, id),
    idOf: (view) => view.question,
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
      const changed = new Set([...waiting].filter(([id, text]) => known.get(id) !== text).map(([id]) => id));
      const gone = [...known.keys()].filter((id) => !waiting.has(id));
      return {
        async newsFor(reader, whole) {
          if (changed.size === 0 && gone.length === 0 && !whole) return { all: [], changed: [] };
          const settled = (await Promise.all(gone.map((id) => orNull(inbox.get(reader, id)))))
            .filter((view) => view !== null)
            .map(asNews);
          const views = await inbox.list(reader);
          return {
            all: [...settled, ...views.map(asNews)],
            changed: [...settled, ...views.filter((view) => changed.has(inbox.idOf(view))).map(asNews)],
          };
        },
        told() {
          known = waiting;
        },
      };
    },
  };
}

/** Null for what is gone altogether, as after a fresh start on an empty database. */
async function orNull<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof NotFoundError) return null;
    throw error;
  }
}
