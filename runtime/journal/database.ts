import pg from "pg";
import type { Database, Sql } from "../core/database.ts";
import { DatabaseUnavailableError } from "./errors.ts";

/** The type of `bigint` columns. Source: pg_type.oid of int8. */
const INT8 = 20;

/** Parsers of our own connections only: 64-bit integers as numbers (all of ours are far below 2^53). */
function ourTypes(): pg.TypeOverrides {
  const types = new pg.TypeOverrides();
  types.setTypeParser(INT8, Number);
  return types;
}

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
 * Statements throw {@link DatabaseUnavailableError} when the server is out of reach, and Postgres's own
 * error (with its SQLSTATE in `code`) when the server refuses them.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max ?? 10,
    application_name: options.applicationName ?? "signalbox",
    types: ourTypes(),
  });
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on("error", () => undefined);
  return {
    query: (text, values, name) => run(pool, text, values, name),
    async transaction(work) {
      const client = await connect(() => pool.connect());
      const sql: Sql = { query: (text, values, name) => run(client, text, values, name) };
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

/** One dedicated connection, for what must not share: the journal's writer, and migrations. */
export interface Connection extends Sql {
  end(): Promise<void>;
  /** Called once when the connection breaks. */
  onBreak(handler: (error: unknown) => void): void;
}

export async function openConnection(options: DatabaseOptions): Promise<Connection> {
  const client = new pg.Client({
    connectionString: options.url,
    application_name: options.applicationName ?? "signalbox",
    types: ourTypes(),
  });
  const handlers: ((error: unknown) => void)[] = [];
  client.on("error", (error) => {
    for (const handler of handlers.splice(0)) handler(error);
  });
  await connect(() => client.connect());
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
    throw isRefusal(error) || isDefect(error) ? error : unavailable(error);
  }
}

/** True where the server answered: it has an SQLSTATE, and not one that says that it is going away. */
function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && !/^(08|57P)/.test(error.code ?? "");
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
