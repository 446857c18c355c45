import { readdir, readFile } from "node:fs/promises";
import pg from "pg";
import { sha256 } from "../core/canonical.ts";
import { PgvectorMissingError, PostgresRefusedError } from "../core/errors.ts";
import { openConnection, type Connection } from "./database.ts";
import { SchemaMismatchError } from "./errors.ts";

const FOLDER = new URL("../sql/", import.meta.url);
/** Any constant will do: it names the lock that keeps two migrations from running at once. */
const LOCK = 7_271_903;

interface Migration {
  readonly id: number;
  readonly name: string;
  readonly text: string;
  readonly hash: string;
}

/**
 * Brings the database's tables up to this release: plain forward-only `.sql` files, each in its own
 * transaction with its row in `signalbox_migrations`. Running it again changes nothing.
 *
 * @returns the names of the migrations that were applied.
 * @throws {@link SchemaMismatchError} if the database has a migration that this release lacks, one
 *   whose text has changed since it ran, or tables of somebody else's under our names;
 *   {@link PgvectorMissingError} if the server has no pgvector, and {@link PostgresRefusedError} if the user
 *   may not make tables.
 */
export async function migrate(url: string): Promise<string[]> {
  const connection = await openConnection({ url, applicationName: "signalbox-migrate" });
  try {
    await connection.query("select pg_advisory_lock($1)", [LOCK]);
    return await apply(connection, await readMigrations());
  } catch (error) {
    throw toMigrationError(error);
  } finally {
    await connection.end();
  }
}

/**
 * Checks that {@link migrate} has been run with this release or a newer one. Changes nothing.
 *
 * @throws {@link SchemaMismatchError} if tables are missing.
 */
export async function checkMigrated(url: string): Promise<void> {
  const migrations = await readMigrations();
  const done = await appliedMigrations(url);
  const missing = migrations.filter((migration) => !done.has(migration.id)).map(({ name }) => name);
  if (missing.length === 0) return;
  const what =
    done.size === 0 ? "has no tables of Signalbox yet" : `lacks tables of this release (${missing.join(", ")})`;
  throw new SchemaMismatchError(`The database ${what}. Run "npx signalbox migrate" once, then this again.`, {
    details: { missing },
  });
}

async function appliedMigrations(url: string): Promise<ReadonlySet<number>> {
  const connection = await openConnection({ url, applicationName: "signalbox-check" });
  try {
    const [found] = await connection.query<{ there: boolean }>(
      "select to_regclass('signalbox_migrations') is not null as there",
    );
    if (found?.there !== true) return new Set();
    return new Set((await connection.query<{ id: number }>("select id from signalbox_migrations")).map(({ id }) => id));
  } finally {
    await connection.end();
  }
}

async function apply(connection: Connection, migrations: readonly Migration[]): Promise<string[]> {
  await connection.query(`create table if not exists signalbox_migrations (
    id int primary key, name text not null, hash text not null, applied_at timestamptz not null default clock_timestamp())`);
  const done = await connection.query<{ id: number; name: string; hash: string }>(
    "select id, name, hash from signalbox_migrations order by id",
  );
  for (const row of done) {
    const known = migrations.find((migration) => migration.id === row.id);
    if (!known) {
      throw new SchemaMismatchError(
        `The database has the migration "${row.name}", which this release of Signalbox does not know. Use the release that made it, or a newer one.`,
        { details: { migration: row.name } },
      );
    }
    if (known.hash !== row.hash) {
      throw new SchemaMismatchError(
        `The migration "${row.name}" has changed since it was applied to this database. Restore its file: applied migrations are never edited.`,
        { details: { migration: row.name } },
      );
    }
  }
  const applied: string[] = [];
  for (const migration of migrations.slice(done.length)) {
    await connection.query("begin");
    try {
      await connection.query("insert into signalbox_migrations (id, name, hash) values ($1, $2, $3)", [
        migration.id,
        migration.name,
        migration.hash,
      ]);
      await connection.query(migration.text);
      await connection.query("commit");
    } catch (error) {
      // If this fails too, the connection is broken, and the first error says why.
      await connection.query("rollback").catch(() => undefined);
      throw error;
    }
    applied.push(migration.name);
  }
  return applied;
}

/** What Postgres says while tables are made, as errors for people. Known by SQLSTATE, never by its words. */
function toMigrationError(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const said = error.hint === undefined ? error.message : `${error.message} ${error.hint}`;
  const options = { details: { sqlstate: error.code ?? null }, cause: error };
  switch (error.code) {
    // Ours: see 000004_memory.sql.
    case "SB001":
    case "SB002":
      return new PgvectorMissingError(said, options);
    // insufficient_privilege, invalid_schema_name (no schema to make tables in), read_only_sql_transaction
    case "42501":
    case "3F000":
    case "25006":
      return new PostgresRefusedError(
        `The Postgres server does not let Signalbox make its tables: ${said}. Give the user of DATABASE_URL the right to (for example: make it the database's owner), or name another user or database.`,
        options,
      );
    // duplicate_table, duplicate_object, duplicate_function
    case "42P07":
    case "42710":
    case "42723":
      return new SchemaMismatchError(
        `The database holds something of another program's under a name of ours: ${said}. Use a database of Signalbox's own.`,
        options,
      );
    default:
      return error;
  }
}

async function readMigrations(): Promise<Migration[]> {
  const files = (await readdir(FOLDER)).filter((file) => file.endsWith(".sql")).sort();
  return Promise.all(
    files.map(async (file) => {
      const text = await readFile(new URL(file, FOLDER), "utf8");
      return { id: Number.parseInt(file, 10), name: file, text, hash: sha256(text) };
    }),
  );
}
