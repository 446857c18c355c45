import { readdir, readFile } from "node:fs/promises";
import { sha256 } from "../core/canonical.ts";
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
 * @throws {@link SchemaMismatchError} if the database has a migration that this release lacks, or one
 *   whose text has changed since it ran.
 */
export async function migrate(url: string): Promise<string[]> {
  const connection = await openConnection({ url, applicationName: "signalbox-migrate" });
  try {
    await connection.query("select pg_advisory_lock($1)", [LOCK]);
    return await apply(connection, await readMigrations());
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
      await connection.query("rollback");
      throw error;
    }
    applied.push(migration.name);
  }
  return applied;
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
