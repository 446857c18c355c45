import type { Logger } from "pino";
import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import { NotFoundError } from "../../../runtime/core/errors.ts";
import type { Principal } from "../../../runtime/core/people.ts";
import type { ApprovalView } from "../../../runtime/core/protocol.ts";
import { Refresher } from "./refresher.ts";
import type { Feed, Subscriber } from "./subscriber.ts";

export interface ApprovalsFeedOptions {
  readonly services: Pick<ConsoleServices, "pendingApprovals" | "listApprovals" | "getApproval">;
  readonly log: Logger;
  readonly gapMs: number;
}

/**
 * Keeps inboxes current. What has changed is found once for all (a list of ids); the approvals
 * themselves are read once for each person, because what they may decide differs. A new subscriber
 * first gets everything that is pending; one that is behind is told to load the view again.
 */
export class ApprovalsFeed implements Feed {
  readonly #options: ApprovalsFeedOptions;
  readonly #members = new Set<Subscriber>();
  readonly #fresh = new Set<Subscriber>();
  readonly #refresher: Refresher;
  #known: ReadonlyMap<string, string> = new Map();

  constructor(options: ApprovalsFeedOptions) {
    this.#options = options;
    this.#refresher = new Refresher(() => this.#refresh(), options.gapMs);
  }

  get empty(): boolean {
    return this.#members.size === 0 && this.#fresh.size === 0;
  }

  add(subscriber: Subscriber): void {
    this.#fresh.add(subscriber);
    this.#refresher.request();
  }

  remove(subscriber: Subscriber): void {
    this.#members.delete(subscriber);
    this.#fresh.delete(subscriber);
  }

  /** Something moved somewhere, or just the time: look. */
  poll(): void {
    if (!this.empty) this.#refresher.request();
  }

  close(): void {
    this.#refresher.close();
  }

  async #refresh(): Promise<void> {
    try {
      const fresh = [...this.#fresh];
      const pending = await this.#options.services.pendingApprovals();
      const changed = new Set([...pending].filter(([id, text]) => this.#known.get(id) !== text).map(([id]) => id));
      const gone = [...this.#known.keys()].filter((id) => !pending.has(id));
      for (const [principal, subscribers] of byPrincipal([...this.#members, ...fresh])) {
        await this.#tell(principal, subscribers, changed, gone);
      }
      this.#known = pending;
    } catch (error) {
      this.#options.log.warn({ err: error }, "approvals could not be read for the live socket");
    }
  }

  async #tell(
    principal: Principal,
    subscribers: readonly Subscriber[],
    changed: ReadonlySet<string>,
    gone: readonly string[],
  ): Promise<void> {
    const { services } = this.#options;
    const newcomers = subscribers.filter((subscriber) => this.#fresh.has(subscriber));
    if (changed.size === 0 && gone.length === 0 && newcomers.length === 0) return;
    const settled = await Promise.all(gone.map((id) => this.#settled(principal, id)));
    const pending = await services.listApprovals(principal, { status: "pending" });
    for (const subscriber of subscribers) {
      const isNew = this.#fresh.delete(subscriber);
      if (isNew) this.#members.add(subscriber);
      // It may have unsubscribed while this was read.
      if (!this.#members.has(subscriber)) continue;
      const { connection, id } = subscriber;
      if (connection.behind) {
        subscriber.drop("behind");
        continue;
      }
      for (const approval of settled) if (approval) connection.send({ type: "approval", id, approval });
      for (const approval of pending) {
        if (isNew || changed.has(approval.approval)) connection.send({ type: "approval", id, approval });
      }
    }
  }

  async #settled(principal: Principal, approval: string): Promise<ApprovalView | null> {
    try {
      return await this.#options.services.getApproval(principal, approval);
    } catch (error) {
      if (error instanceof NotFoundError) return null;
      throw error;
    }
  }
}

/** Groups subscribers whose approvals look the same. */
function byPrincipal(subscribers: readonly Subscriber[]): Map<Principal, Subscriber[]> {
  const groups = new Map<string, [Principal, Subscriber[]]>();
  for (const subscriber of subscribers) {
    const { principal } = subscriber.connection;
    const key = JSON.stringify([principal.name, principal.kind, principal.roles, principal.pools]);
    const group = groups.get(key);
    if (group) group[1].push(subscriber);
    else groups.set(key, [principal, [subscriber]]);
  }
  return new Map(groups.values());
}
