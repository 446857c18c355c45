import { randomUUID } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { aptWorkspace, chooseSuite, type Apt } from "./apt.ts";
import { hasErrorCode } from "./error-code.ts";
import { FolderUnusableError, PackagesUnavailableError } from "./errors.ts";
import { installHint, type Host } from "./host.ts";
import { takeLock } from "./lock-file.ts";
import { packageClosure, type PackageRecord } from "./package-closure.ts";
import { runProgram } from "./run-program.ts";
import { finishTree, manifestSchema, type TreeManifest } from "./server-tree.ts";

/** Raise it when what is unpacked, or how, changes: older trees are then left behind. */
const LAYOUT = 1;
const MANIFEST = "manifest.json";

/** Servers that were unpacked from the distribution's packages. Paths are absolute. */
export interface UnpackedServers extends TreeManifest {
  readonly folder: string;
}

export type ReportStep = (message: string) => void;

/**
 * Where unpacked servers are kept when nobody says otherwise: for root a place that the servers' user
 * can read, for others their own cache.
 */
export function defaultCacheFolder(env: NodeJS.ProcessEnv): string {
  if (process.getuid?.() === 0) return "/var/cache/signalbox";
  const xdg = env["XDG_CACHE_HOME"];
  return join(xdg !== undefined && xdg.startsWith("/") ? xdg : join(homedir(), ".cache"), "signalbox");
}

/** The servers that an earlier start unpacked for this system, if one did. */
export async function findUnpacked(cacheDir: string, host: Host): Promise<UnpackedServers | undefined> {
  const name = treeName(host);
  return name === undefined ? undefined : readTree(join(cacheDir, name));
}

/**
 * Unpacks the servers from the distribution's packages into the cache folder: fetched by this
 * machine's own apt from the mirror that it is set to, checked by it against the distribution's keys;
 * nothing is installed and no rights are needed. Finished trees appear whole or not at all, so a start
 * that was cut short is simply done again; two at once wait for each other.
 *
 * @throws {@link PackagesUnavailableError} if fetching or unpacking fails, and
 *   {@link FolderUnusableError} if the cache folder cannot be written.
 */
export async function unpackServers(cacheDir: string, host: Host, report: ReportStep): Promise<UnpackedServers> {
  const name = treeName(host);
  if (name === undefined || !host.distribution) throw new Error("only for systems that canUnpack() is true of");
  const folder = join(cacheDir, name);
  await mkdirReadable(cacheDir);
  const lock = await waitForLock(join(cacheDir, `${name}.lock`), report);
  try {
    // Whoever had the lock before us may have done it.
    const done = await readTree(folder);
    if (done) return done;
    await removeDrafts(cacheDir, name);
    const draft = join(cacheDir, `${name}.${randomUUID()}.draft`);
    try {
      await mkdirReadable(draft);
      await fill(draft, host, report);
      await rename(draft, folder);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  } catch (error) {
    throw unavailable(error, host);
  } finally {
    await lock.release();
  }
  const tree = await readTree(folder);
  if (!tree) throw new PackagesUnavailableError(`The servers unpacked in ${folder} are not there. Start again.`);
  return tree;
}

/** Whether servers can be unpacked here: a Debian or Ubuntu, or made from one, with apt and dpkg. */
export async function canUnpack(host: Host): Promise<boolean> {
  if (treeName(host) === undefined) return false;
  const tools = [runProgram("apt-get", ["--version"]), runProgram("dpkg-deb", ["--version"])];
  return Promise.all(tools).then(
    () => true,
    () => false,
  );
}

async function fill(draft: string, host: Host, report: ReportStep): Promise<void> {
  await using apt = await aptWorkspace(join(draft, ".apt"), host);
  report(`Reading the package lists of ${apt.suite}`);
  await apt.update();
  const major = await newestPostgres(apt);
  const roots = ["nats-server", `postgresql-${major}`, `postgresql-client-${major}`, `postgresql-${major}-pgvector`];
  const records = await packageClosure(roots, (names) => apt.show(names));
  report(
    `Fetching ${String(records.length)} packages (${megabytes(records)} MB) for PostgreSQL ${major} and nats-server`,
  );
  const files = await apt.download(records.map((record) => record.name));
  report("Unpacking");
  for (let i = 0; i < files.length; i += 4) {
    const some = files.slice(i, i + 4);
    await Promise.all(some.map((file) => runProgram("dpkg-deb", ["-x", file, draft], { timeoutMs: 120_000 })));
  }
  const programs = await finishTree(draft, major);
  const packages = Object.fromEntries(records.map(({ name, version }) => [name, version]));
  const manifest: TreeManifest = { ...programs, suite: apt.suite, packages };
  await writeFile(join(draft, MANIFEST), JSON.stringify(manifest, null, 2), { mode: 0o644 });
}

async function newestPostgres(apt: Apt): Promise<string> {
  const names = await apt.search("^postgresql-[0-9]+-pgvector$");
  const majors = names.map((name) => Number(name.split("-")[1])).sort((a, b) => b - a);
  if (majors[0] !== undefined) return String(majors[0]);
  throw new PackagesUnavailableError(`The packages of ${apt.suite} hold no PostgreSQL with pgvector.`);
}

function megabytes(records: readonly PackageRecord[]): string {
  return String(Math.round(records.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 1e6));
}

/** The folder's name says whose packages it holds, so that a system upgrade fetches anew. */
function treeName(host: Host): string | undefined {
  if (!host.distribution) return undefined;
  return `${host.distribution.id}-${chooseSuite(host.distribution)}-${host.arch}-${String(LAYOUT)}`;
}

async function readTree(folder: string): Promise<UnpackedServers | undefined> {
  const text = await readFile(join(folder, MANIFEST), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const { postgres, nats, ...rest } = manifestSchema.parse(JSON.parse(text));
  return {
    ...rest,
    folder,
    postgres: { ...postgres, binFolder: join(folder, postgres.binFolder) },
    nats: { ...nats, path: join(folder, nats.path) },
  };
}

async function waitForLock(file: string, report: ReportStep): Promise<{ release(): Promise<void> }> {
  for (let told = false; ; told = true) {
    const lock = await takeLock(file);
    if (lock.held) return lock;
    if (!told) report(`Waiting for the process ${String(lock.by.pid)}, which is unpacking the servers`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What starts that were killed have left. We hold the lock: nobody is writing to them. */
async function removeDrafts(cacheDir: string, name: string): Promise<void> {
  const entries = await readdir(cacheDir);
  const drafts = entries.filter((entry) => entry.startsWith(`${name}.`) && entry.endsWith(".draft"));
  // An apt that outlived its start may still write there; then the next start removes the rest.
  await Promise.allSettled(drafts.map((entry) => rm(join(cacheDir, entry), { recursive: true, force: true })));
}

/** Whatever the umask: the servers may run as another user. */
async function mkdirReadable(folder: string): Promise<void> {
  try {
    const made = await mkdir(folder, { recursive: true, mode: 0o755 });
    if (made !== undefined) await chmod(folder, 0o755);
  } catch (error) {
    if (!hasErrorCode(error, "EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENOSPC")) throw error;
    throw new FolderUnusableError(
      `The cache folder ${folder} cannot be made: ${error instanceof Error ? error.message : String(error)}. Make its parent writable, or name another cache folder.`,
      { details: { folder }, cause: error },
    );
  }
}

function unavailable(error: unknown, host: Host): unknown {
  if (error instanceof FolderUnusableError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new PackagesUnavailableError(
    `The servers could not be unpacked from the packages of ${host.name}. ${why.trimEnd()}\nCheck the network and apt's settings, then start again. Or: ${installHint(host)}`,
    { cause: error },
  );
}
