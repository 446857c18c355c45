import { join, resolve } from "node:path";
import { z } from "zod";
import type { NatsAccess, OpenSqlConnection } from "../core/stack.ts";
import { asUnusable, clearLeftovers, dataFolderHolder, FILES, lockDataFolder, serversFolder } from "./data-folder.ts";
import type { ServerFailedError } from "./errors.ts";
import { readText, writePrivately } from "./files.ts";
import { findPrograms } from "./find-programs.ts";
import { Keeper } from "./keeper-client.ts";
import type { PrivateServer } from "./kept-server.ts";
import type { HeldLock } from "./lock-file.ts";
import { checkNats } from "./named-nats.ts";
import { checkPostgres } from "./named-postgres.ts";
import { startNats } from "./nats.ts";
import type { ReportStep } from "./packages.ts";
import { postgresMajorOf, startPostgres } from "./postgres.ts";
import type { NatsProgram, PostgresPrograms } from "./programs.ts";
import { readSecrets } from "./secrets.ts";
import { serverUser } from "./server-user.ts";

export interface StackOptions {
  /** Holds the private servers' data, passwords and lock. Made where it is missing. */
  readonly dataDir: string;
  /** Opens one connection to Postgres: only `runtime/journal` knows the driver. */
  readonly open: OpenSqlConnection;
  /** A Postgres server to use instead of a private one. */
  readonly databaseUrl?: string | undefined;
  /** A NATS server to use instead of a private one. */
  readonly natsUrl?: string | undefined;
  /** Where unpacked servers are kept. Default: see `defaultCacheFolder`. */
  readonly cacheDir?: string | undefined;
  /** Told what is being done, in a few words each, while a start takes its time. */
  readonly report?: ReportStep | undefined;
  /** Told when a private server ended and could not be started again. */
  readonly onLost?: ((error: ServerFailedError) => void) | undefined;
}

/** One server of a stack, for people and for doctor. Never holds a password. */
export interface ServerDescription {
  readonly name: "postgres" | "nats";
  /** `named`: by DATABASE_URL or NATS_URL. `private`: ours. */
  readonly kind: "named" | "private";
  /** For example `127.0.0.1:40123`. */
  readonly where: string;
  readonly version: string;
  /** The rest is known of private servers only: the program that runs, as which process, on what data. */
  readonly program?: string | undefined;
  readonly pid?: number | undefined;
  readonly dataFolder?: string | undefined;
}

const access = z.object({
  servers: z.array(z.string()),
  user: z.string().optional(),
  password: z.string().optional(),
  inboxPrefix: z.string().optional(),
}) as unknown as z.ZodType<NatsAccess>;
const runningSchema = z.object({
  databaseUrl: z.string(),
  nats: z.object({ worker: access, console: access }),
  servers: z.array(
    z.object({
      name: z.enum(["postgres", "nats"]),
      kind: z.enum(["named", "private"]),
      where: z.string(),
      version: z.string(),
      program: z.string().optional(),
      pid: z.number().optional(),
      dataFolder: z.string().optional(),
    }),
  ),
});

/** How to reach a running stack. */
export interface StackAccess {
  /** A superuser's URL where the server is private. */
  readonly databaseUrl: string;
  /** What workers sign in with, and what consoles do: on a private server they may do different things. */
  readonly nats: { readonly worker: NatsAccess; readonly console: NatsAccess };
}

/** Postgres and NATS, ready to use. Closing it stops the private ones. */
export interface Stack extends StackAccess, AsyncDisposable {
  /** What runs where. */
  describe(): readonly ServerDescription[];
  close(): Promise<void>;
}

type Half<T> = T & { readonly server: ServerDescription };
type PostgresHalf = Half<{ readonly databaseUrl: string }>;
type NatsHalf = Half<{ readonly nats: StackAccess["nats"] }>;

/**
 * Gives a ready Postgres and NATS: the named ones after checking them, private ones for what is not
 * named. Private servers run as child processes on free loopback ports; they stop with `close()` and
 * whenever this process ends, however it ends. Nothing is migrated.
 *
 * @throws `DataFolderInUseError` if another process runs its servers on this data folder;
 *   `ServersNotFoundError` or `PackagesUnavailableError` if there are no servers to start; and the
 *   errors of {@link checkPostgres} and {@link checkNats} for named ones.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const [postgres, nats] = await Promise.all([namedPostgres(options), namedNats(options)]);
  if (postgres && nats) return toStack(postgres, nats, () => Promise.resolve());
  const dataDir = resolve(options.dataDir);
  const lock = await lockDataFolder(dataDir);
  try {
    await clearLeftovers(dataDir);
    return await startPrivate({ ...options, dataDir }, lock, postgres, nats);
  } catch (error) {
    await lock.release();
    throw asUnusable(dataDir, error);
  }
}

/**
 * The stack that another process has started on this data folder, if one runs: to work with it while
 * it does. Nothing has to be closed.
 *
 * @throws `FolderUnusableError` if another user has started it.
 */
export async function findRunningStack(dataDir: string): Promise<(StackAccess & Pick<Stack, "describe">) | undefined> {
  try {
    if (!(await dataFolderHolder(dataDir))) return undefined;
    const text = await readText(join(dataDir, FILES.running));
    if (text === undefined) return undefined;
    const { servers, ...running } = runningSchema.parse(JSON.parse(text));
    return { ...running, describe: () => servers };
  } catch (error) {
    throw asUnusable(dataDir, error);
  }
}

async function startPrivate(
  options: StackOptions,
  lock: HeldLock,
  namedPostgres: PostgresHalf | undefined,
  namedNats: NatsHalf | undefined,
): Promise<Stack> {
  const { dataDir } = options;
  const user = await serverUser();
  const folder = await serversFolder(dataDir, user);
  const secrets = await readSecrets(dataDir);
  const runningFile = join(dataDir, FILES.running);
  // First, because it takes a moment to start; meanwhile we look for the servers' programs.
  const keeper = new Keeper({
    stateFile: join(dataDir, FILES.keeper),
    filesToRemove: [runningFile],
    logFile: join(dataDir, FILES.keeperLog),
    onLost: options.onLost ?? (() => undefined),
  });
  try {
    const major = await postgresMajorOf(folder);
    const programs = await findPrograms(options, user, { postgres: !namedPostgres, nats: !namedNats, major });
    options.report?.("Starting the servers");
    const server: PrivateServer = { folder, keeper, user };
    const started = await Promise.allSettled([
      namedPostgres ?? privatePostgres(server, programs.postgres, secrets.postgres, options.open),
      namedNats ?? privateNats(server, programs.nats, secrets),
    ]);
    const failed = started.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
    const [postgres, nats] = started.map((one) => (one.status === "fulfilled" ? one.value : undefined)) as [
      PostgresHalf,
      NatsHalf,
    ];
    const stack = toStack(postgres, nats, async () => {
      try {
        await keeper.close();
        // Of a keeper that was killed, its servers are left.
        await clearLeftovers(dataDir);
      } finally {
        await lock.release();
      }
    });
    const { databaseUrl, nats: natsAccess } = stack;
    await writePrivately(runningFile, JSON.stringify({ databaseUrl, nats: natsAccess, servers: stack.describe() }));
    keeper.unref();
    return stack;
  } catch (error) {
    await keeper.close();
    // What went wrong first is what is told.
    await clearLeftovers(dataDir).catch(() => undefined);
    throw error;
  }
}

async function privatePostgres(
  server: PrivateServer,
  programs: PostgresPrograms | undefined,
  password: string,
  open: OpenSqlConnection,
): Promise<PostgresHalf> {
  if (!programs) throw new Error("findPrograms was asked for PostgreSQL and gave none");
  const { url, port, pid, dataFolder } = await startPostgres(server, programs, password, open);
  return {
    databaseUrl: url,
    server: {
      name: "postgres",
      kind: "private",
      where: `127.0.0.1:${String(port)}`,
      version: programs.version,
      program: join(programs.binFolder, "postgres"),
      pid,
      dataFolder,
    },
  };
}

async function privateNats(
  server: PrivateServer,
  program: NatsProgram | undefined,
  secrets: Parameters<typeof startNats>[2],
): Promise<NatsHalf> {
  if (!program) throw new Error("findPrograms was asked for nats-server and gave none");
  const { worker, console, port, pid, dataFolder } = await startNats(server, program, secrets);
  return {
    nats: { worker, console },
    server: {
      name: "nats",
      kind: "private",
      where: `127.0.0.1:${String(port)}`,
      version: program.version,
      program: program.path,
      pid,
      dataFolder,
    },
  };
}

async function namedPostgres({ databaseUrl, open }: StackOptions): Promise<PostgresHalf | undefined> {
  if (!databaseUrl) return undefined;
  const { where, version } = await checkPostgres(databaseUrl, open);
  return { databaseUrl, server: { name: "postgres", kind: "named", where, version } };
}

async function namedNats({ natsUrl }: StackOptions): Promise<NatsHalf | undefined> {
  if (!natsUrl) return undefined;
  const { where, version, access } = await checkNats(natsUrl);
  return { nats: { worker: access, console: access }, server: { name: "nats", kind: "named", where, version } };
}

function toStack(postgres: PostgresHalf, nats: NatsHalf, stop: () => Promise<void>): Stack {
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= stop());
  return {
    databaseUrl: postgres.databaseUrl,
    nats: nats.nats,
    describe: () => [postgres.server, nats.server],
    close,
    [Symbol.asyncDispose]: close,
  };
}
