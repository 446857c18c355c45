import type { LiveConnection } from "./connection.ts";

/** One subscription of one connection. */
export interface Subscriber {
  /** The client's name for it, sent with every message. */
  readonly id: string;
  readonly connection: LiveConnection;
  /** Ends the subscription and tells the client to load the view again. */
  drop(reason: string): void;
}

/** A source of messages. Notices are hints; `poll` makes up for lost ones. Neither ever throws. */
export interface Feed {
  /** True if nobody listens. */
  readonly empty: boolean;
  remove(subscriber: Subscriber): void;
  poll(): void;
}
