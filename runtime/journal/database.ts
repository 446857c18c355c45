import pg from "pg";
import type { BinaryRow, Database, Sql, Transaction } from "../core/database.ts";
import { InvalidInputError } from "../core/errors.ts";
import { CopyOut } from "./copy-out.ts";
import { DatabaseBusyError, DatabaseUnavailableError } from "./errors.ts";

/** The type of `bigint` columns. Source: pg_type.oid of int8. */
const INT8 = 20;

/** Parsers of our own connections only: 64-bit integers as numbers (all of ours are far below 2^53). */
function ourTypes(): pg.TypeOverrides {
  const types = new pg.TypeOverrides();
  types.setTypeParser(INT8, Number);
  return types;
}

/**
 * A transaction whose client says nothing for this long is ended by Postgres: a process that freezes in the
 * middle of one would hold its rows, and keep everybody who needs them waiting, until it is killed.
 */
export const IDLE_IN_TRANSACTION_MS = 5_000;
/** How long a statement of the pool waits for a row: longer than a frozen process can hold it. */
const LOCK_TIMEOUT_MS = 6_000;

export interface DatabaseOptions {
  readonly url: string;
  /** At most this many connections. Default 10. */
  readonly max?: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string;
}

/**
 * Opens a pool. Connects lazily.
 *
 * Statements throw {@link DatabaseUnavailableError} when the server is out of reach, {@link DatabaseBusyError}
 * when they waited for a locked row for too long, {@link InvalidInputError} for text that Postgres cannot hold,
 * and Postgres's own error (with its SQLSTATE in `code`) when the server refuses them for another reason.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max ?? 10,
    application_name: options.applicationName ?? "signalbox",
    types: ourTypes(),
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
  });
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on("error", () => undefined);
  // The pool hears only its idle connections. One that breaks between two statements of a transaction would
  // end the process as well; whoever has it hears of it from the next statement.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return {
    query: (text, values, name) => run(pool, text, values, name),
    async transaction(work) {
      const client = await connect(() => pool.connect());
      const sql: Transaction = {
        query: (text, values, name) => run(client, text, values, name),
        forEach: (select, take) => runForEach(client, select, take),
      };
      try {
        await sql.query("begin");
        const result = await work(sql);
        await sql.query("commit");
        client.release();
        return result;
      } catch (error) {
        const ended = await client.query("rollback").then(
          () => false,
          () => true,
        );
        client.release(ended);
        throw error;
      }
    },
    end: () => pool.end(),
  };
}

export interface ConnectionOptions extends DatabaseOptions {
  /** How long a statement waits for a locked row. Default: for ever. */
  readonly lockTimeoutMs?: number;
  /** How long a transaction may stand still before Postgres ends it. Default: for ever. */
  readonly idleInTransactionMs?: number;
}

/** One dedicated connection, for what must not share: the journal's writer, and migrations. */
export interface Connection extends Sql {
  end(): Promise<void>;
  /** Called once when the connection breaks. */
  onBreak(handler: (error: unknown) => void): void;
}

export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const client = new pg.Client({
    connectionString: options.url,
    application_name: options.applicationName ?? "signalbox",
    types: ourTypes(),
    ...(options.lockTimeoutMs === undefined ? {} : { lock_timeout: options.lockTimeoutMs }),
    ...(options.idleInTransactionMs === undefined
      ? {}
      : { idle_in_transaction_session_timeout: options.idleInTransactionMs }),
  });
  const handlers: ((error: unknown) => void)[] = [];
  client.on("error", (error) => {
    for (const handler of handlers.splice(0)) handler(error);
  });
  try {
    await connect(() => client.connect());
  } catch (error) {
    // A client that itself broke off, over a missing password for example, leaves its socket open.
    client.end().catch(() => undefined);
    throw error;
  }
  return {
    query: (text, values, name) => run(client, text, values, name),
    end: () => client.end(),
    onBreak: (handler) => handlers.push(handler),
  };
}

async function connect<T>(open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    throw unavailable(error);
  }
}

async function run<Row extends object>(
  on: pg.Pool | pg.ClientBase,
  text: string,
  values: readonly unknown[] = [],
  name?: string,
): Promise<Row[]> {
  try {
    const result = await on.query<Row & pg.QueryResultRow>({
      text,
      values: [...values],
      ...(name === undefined ? {} : { name }),
    });
    return result.rows;
  } catch (error) {
    throw errorOf(error);
  }
}

async function runForEach(on: pg.ClientBase, select: string, take: (row: BinaryRow) => void): Promise<void> {
  const copy = new CopyOut(select, take);
  on.query(copy);
  try {
    await copy.done;
  } catch (error) {
    throw errorOf(error);
  }
  if (copy.fault) throw copy.fault.error;
}

/** What a statement failed with, as whoever sent it gets it. */
function errorOf(error: unknown): unknown {
  if (isDefect(error)) return error;
  return isRefusal(error) ? typed(error) : unavailable(error);
}

/** True where the server answered: it has an SQLSTATE, and not one that says that it, or the connection, is going away. */
function isRefusal(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && !/^(08|57P|25P03)/.test(error.code ?? "");
}

/** A refusal that is not the statement's fault, or that is whoever's who gave the text, as an error of ours. */
function typed(error: pg.DatabaseError): Error {
  switch (error.code) {
    case "55P03": // lock not available
    case "40P01": // deadlock
    case "40001": // serialisation failure
      return new DatabaseBusyError(
        "Something else holds a row that is needed here, and did not let go of it in time. Nothing was changed: try again in a moment. If it stays so, look for an old transaction in pg_stat_activity.",
        { cause: error },
      );
    case "22021": // character not in repertoire
      return new InvalidInputError(
        "A text holds the character U+0000, which cannot be stored or looked for. Take it out. Nothing was changed.",
        { cause: error },
      );
    default:
      return error;
  }
}

/** True for a mistake in our own code, which must not pass for a server that is out of reach. */
function isDefect(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}

function unavailable(cause: unknown): DatabaseUnavailableError {
  const why =
    cause instanceof Error && cause.message !== "" ? cause.message : String((cause as { code?: unknown }).code);
  return new DatabaseUnavailableError(
    `Postgres cannot be reached: ${why}. Check that the server runs and that DATABASE_URL names it; "npx signalbox doctor" says what was found.`,
    { cause },
  );
}
