import { readdir, readFile } from "node:fs/promises";
import type { SqlConnection } from "../../../runtime/core/stack.ts";

/** What a server and one of its databases have done and hold so far. */
export interface PostgresCounts {
  readonly statements: number;
  readonly walBytes: number;
  readonly tableBytes: number;
  readonly cpuMs: number;
}

/** Linux counts a process's time in hundredths of a second. */
const TICK_MS = 10;

/** @param database a connection to the database that is looked at, whose statements are not counted */
export async function postgresCounts(database: Pick<SqlConnection, "query">): Promise<PostgresCounts> {
  const [row] = await database.query<{ backend: number; statements: number; wal: number; tables: number }>(
    `select pg_backend_pid() as backend,
       (select coalesce(sum(calls), 0)::float8 from pg_stat_statements
         where dbid = (select oid from pg_database where datname = current_database())
           and query not like '%pg_stat_statements%') as statements,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal,
       (select coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 from pg_class c join pg_namespace n on n.oid = relnamespace
         where relkind = 'r' and nspname <> 'information_schema' and nspname not like 'pg\\_%') as tables`,
  );
  if (!row) throw new Error("Postgres said nothing.");
  return {
    statements: row.statements,
    walBytes: row.wal,
    tableBytes: row.tables,
    cpuMs: await cpuOfServer(row.backend),
  };
}

/** The user and system time of a server's processes, with those that have ended. */
async function cpuOfServer(backend: number): Promise<number> {
  const { parent } = await processTimes(backend);
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map((pid) => processTimes(pid).catch(() => null)));
  const alive = all.filter((times) => times?.parent === parent).reduce((sum, times) => sum + (times?.ownMs ?? 0), 0);
  const server = await processTimes(parent);
  return alive + server.ownMs + server.childrenMs;
}

/** Source: proc(5), /proc/pid/stat, fields 4 and 14 to 17. */
async function processTimes(pid: number): Promise<{ parent: number; ownMs: number; childrenMs: number }> {
  const text = await readFile(`/proc/${String(pid)}/stat`, "utf8");
  // The second field is the program's name, in parentheses, and may hold anything.
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const [parent = 0, user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = [1, 11, 12, 13, 14].map(
    (i) => fields[i],
  );
  return { parent, ownMs: (user + system) * TICK_MS, childrenMs: (childrenUser + childrenSystem) * TICK_MS };
}
