import { openConnection } from "../../../runtime/journal/database.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "../../../runtime/journal/migrate.ts";
import { removeDataFolder, startStack, type Stack } from "../../../runtime/stack/index.ts";
import { administer, withDatabase } from "../../support/administer.ts";

const TEMPLATE = "bench_template";

export interface BenchServers extends AsyncDisposable {
  readonly nats: Stack["nats"];
  /** What the servers are, the settings that a commit's durability depends on, and the machine's load before. */
  readonly settings: Readonly<Record<string, string>>;
  /** A database of its own, empty or with Signalbox's tables. */
  database(name: string, kind: "empty" | "migrated"): Promise<string>;
}

/**
 * A private Postgres and NATS as `npx signalbox dev` starts them, and one thing more: Postgres counts statements.
 *
 * @param options.notesCommitTimes whether Postgres notes when each transaction was committed, too
 */
export async function startBenchServers({ notesCommitTimes = false } = {}): Promise<BenchServers> {
  // What else the machine does: figures that were taken beside it say so.
  const load = (loadavg()[0] ?? NaN).toFixed(1);
  const dataDir = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const start = (): Promise<Stack> => startStack({ dataDir, open: openConnection });
  const first = await start();
  await administer(first.databaseUrl, "alter system set shared_preload_libraries = 'pg_stat_statements'");
  if (notesCommitTimes) await administer(first.databaseUrl, "alter system set track_commit_timestamp = on");
  await first.close();
  const stack = await start();
  const url = stack.databaseUrl;
  await administer(url, `create database ${TEMPLATE}`);
  await migrate(withDatabase(url, TEMPLATE));
  await administer(withDatabase(url, TEMPLATE), "create extension pg_stat_statements");
  await administer(withDatabase(url, "template1"), "create extension pg_stat_statements");
  const [settings] = await administer<Record<string, string>>(
    url,
    "select current_setting('server_version') as postgres, current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous_commit",
  );
  if (settings) settings["load"] = load;
  for (const { name, version } of stack.describe()) if (name === "nats" && settings) settings["nats"] = version;
  return {
    nats: stack.nats,
    settings: settings ?? {},
    async database(name, kind) {
      await administer(url, `drop database if exists ${name} with (force)`);
      await administer(url, `create database ${name}${kind === "migrated" ? ` template ${TEMPLATE}` : ""}`);
      return withDatabase(url, name);
    },
    async [Symbol.asyncDispose]() {
      await stack.close();
      await removeDataFolder(dataDir);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
