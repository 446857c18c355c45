import type { Sql } from "./database.ts";

/** How to reach a NATS server: where it listens and, where it asks for it, as whom. */
export interface NatsAccess {
  /** For example `nats://127.0.0.1:4222`. */
  readonly servers: readonly string[];
  readonly user?: string;
  readonly password?: string;
  /** The subjects under which this user may receive replies. Default `_INBOX`. */
  readonly inboxPrefix?: string;
}

/** One connection to Postgres, which its opener ends. */
export interface SqlConnection extends Sql {
  end(): Promise<void>;
}

/** Opens one connection; rejects with the driver's error as `cause` if it cannot. */
export type OpenSqlConnection = (options: {
  readonly url: string;
  readonly applicationName?: string;
}) => Promise<SqlConnection>;
