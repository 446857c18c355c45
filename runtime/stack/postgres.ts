import { chown, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { OpenSqlConnection } from "../core/stack.ts";
import { readText } from "./files.ts";
import { DataFolderVersionError } from "./errors.ts";
import type { KeptProcess } from "./keeper-client.ts";
import { serverEnvironment, serverFailed, startServer, waitUntil, type PrivateServer } from "./kept-server.ts";
import type { PostgresPrograms } from "./programs.ts";

const DATABASE = "signalbox";
const SUPERUSER = "signalbox";

export interface RunningPostgres {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly dataFolder: string;
}

/** The major version of PostgreSQL that wrote this servers' folder, if one did. */
export async function postgresMajorOf(folder: string): Promise<string | undefined> {
  return (await readText(join(folder, "postgres", "PG_VERSION")))?.trim();
}

/**
 * Starts the private Postgres, making its data at the first start, and the database in it.
 *
 * @throws {@link DataFolderVersionError} if the data is of another major version, and
 *   `ServerFailedError` if the server does not come up.
 */
export async function startPostgres(
  server: PrivateServer,
  programs: PostgresPrograms,
  password: string,
  open: OpenSqlConnection,
): Promise<RunningPostgres> {
  const dataFolder = join(server.folder, "postgres");
  const major = await postgresMajorOf(server.folder);
  if (major !== undefined && major !== programs.version.split(".")[0]) {
    throw new DataFolderVersionError(
      `The data in ${dataFolder} was written by PostgreSQL ${major}; found is PostgreSQL ${programs.version}, which cannot read it. Install PostgreSQL ${major} with pgvector, or start over with a fresh data folder.`,
      { details: { dataFolder, written: major, found: programs.version } },
    );
  }
  if (major === undefined) await initialise(server, programs, dataFolder, password);
  const { port, process } = await startServer(server, {
    name: "postgres",
    command: join(programs.binFolder, "postgres"),
    args: (port) => [
      ...["-D", dataFolder, "-p", String(port)],
      ...setting("listen_addresses", "127.0.0.1"),
      // Loopback with a password is the only door.
      ...setting("unix_socket_directories", ""),
      // Compiling our short statements costs more than it gains, and needs LLVM.
      ...setting("jit", "off"),
      ...setting("max_connections", "300"),
    ],
    // Fast shutdown: clients are disconnected, everything is written.
    stopSignal: "SIGINT",
    ready: (process) => waitUntil(process, () => saysReady(dataFolder, process)),
  });
  const url = (database: string): string =>
    `postgres://${SUPERUSER}:${encodeURIComponent(password)}@127.0.0.1:${String(port)}/${database}`;
  await createDatabase(url("postgres"), open);
  return { url: url(DATABASE), port, pid: process.pid, dataFolder };
}

function setting(name: string, value: string): string[] {
  return ["-c", `${name}=${value}`];
}

/** Makes the cluster under another name first, so that a start that is cut short leaves nothing half done. */
async function initialise(
  server: PrivateServer,
  programs: PostgresPrograms,
  dataFolder: string,
  password: string,
): Promise<void> {
  const { folder, keeper, user } = server;
  const draft = `${dataFolder}.new`;
  const passwordFile = join(folder, "postgres.password");
  await rm(draft, { recursive: true, force: true });
  await writeFile(passwordFile, password, { mode: 0o600 });
  try {
    if (user) await chown(passwordFile, user.uid, user.gid);
    const logFile = join(folder, "initdb.log");
    const initdb = await keeper.start({
      name: "initdb",
      command: join(programs.binFolder, "initdb"),
      args: [
        ...["-D", draft, "-U", SUPERUSER, "--pwfile", passwordFile, "-A", "scram-sha-256", "-E", "UTF8"],
        ...localeOptions(Number(programs.version.split(".")[0])),
      ],
      env: serverEnvironment(),
      cwd: folder,
      logFile,
      stopSignal: "SIGTERM",
      ...(user ? { uid: user.uid, gid: user.gid } : {}),
    });
    const status = await initdb.ended;
    if (status !== "exit code 0") throw await serverFailed("initdb", status, logFile);
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(draft, dataFolder);
}

/** Upper and lower case as Unicode has them, whatever locales this system happens to have. */
function localeOptions(major: number): string[] {
  return major >= 17
    ? ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    : ["--locale=C", "--locale-provider=icu", "--icu-locale=und"];
}

/** The last line of postmaster.pid is the server's state: what `pg_ctl -w` reads, too. */
async function saysReady(dataFolder: string, process: KeptProcess): Promise<boolean> {
  const lines = (await readFile(join(dataFolder, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
  return lines[0] === String(process.pid) && lines[7]?.trim() === "ready";
}

async function createDatabase(url: string, open: OpenSqlConnection): Promise<void> {
  const connection = await open({ url, applicationName: "signalbox-start" });
  try {
    const found = await connection.query("select 1 from pg_database where datname = $1", [DATABASE]);
    if (found.length === 0) await connection.query(`create database ${DATABASE}`);
  } finally {
    await connection.end();
  }
}
