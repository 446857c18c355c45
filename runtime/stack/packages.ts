import { randomUUID } from "node:crypto";
import { readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { APT_HELPER, aptWorkspace, type Apt } from "./apt.ts";
import { chooseSuite } from "./apt-sources.ts";
import { checkRoom, mkdirReadable, unusableCache } from "./cache-folder.ts";
import { FolderUnusableError, PackagesUnavailableError } from "./errors.ts";
import { isAboutFolder, isFilled, megabytes, parseJson, readText } from "./files.ts";
import { installHint, type Host } from "./host.ts";
import { takeLock } from "./lock-file.ts";
import { packageClosure } from "./package-closure.ts";
import type { PackageIndex, PackageRecord } from "./package-index.ts";
import { runProgram } from "./run-program.ts";
import { finishTree, manifestSchema, type TreeManifest } from "./server-tree.ts";
import { fetchAndUnpack } from "./unpack.ts";

/** Raise it when what is unpacked, or how, changes: older trees are then left behind. */
const LAYOUT = 1;
const MANIFEST = "manifest.json";

/** Servers that were unpacked from the distribution's packages. Paths are absolute. */
export interface UnpackedServers extends TreeManifest {
  readonly folder: string;
}

export type ReportStep = (message: string) => void;

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
 *   {@link FolderUnusableError} if the cache folder cannot be written or its disk is full.
 */
export async function unpackServers(
  cacheDir: string,
  host: Host,
  report: ReportStep,
  signal?: AbortSignal,
): Promise<UnpackedServers> {
  const name = treeName(host);
  if (name === undefined || !host.distribution) throw new Error("only for systems that canUnpack() is true of");
  const folder = join(cacheDir, name);
  try {
    await mkdirReadable(cacheDir);
    const lock = await waitForLock(join(cacheDir, `${name}.lock`), report, signal);
    try {
      // Whoever had the lock before us may have done it.
      const done = await readTree(folder);
      if (done) return done;
      await removeDrafts(cacheDir, name);
      await checkRoom(cacheDir);
      const draft = join(cacheDir, `${name}.${randomUUID()}.draft`);
      try {
        await mkdirReadable(draft);
        await fill(draft, host, report, signal);
        // One that is damaged may be in the way.
        await rm(folder, { recursive: true, force: true });
        await rename(draft, folder);
      } finally {
        // What was stopped may still be ending.
        await rm(draft, { recursive: true, force: true, maxRetries: 5 });
      }
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw unavailable(error, cacheDir, host);
  }
  const tree = await readTree(folder);
  if (!tree) throw new PackagesUnavailableError(`The servers unpacked in ${folder} are not there. Start again.`);
  return tree;
}

/** Whether servers can be unpacked here: a Debian or Ubuntu, or made from one, with apt and dpkg. */
export async function canUnpack(host: Host): Promise<boolean> {
  if (treeName(host) === undefined) return false;
  const tools = ["apt-get", APT_HELPER, "dpkg-deb"].map((tool) => runProgram(tool, ["--version"]));
  return Promise.all(tools).then(
    () => true,
    () => false,
  );
}

async function fill(draft: string, host: Host, report: ReportStep, signal: AbortSignal | undefined): Promise<void> {
  await using apt = await aptWorkspace(join(draft, ".apt"), host, signal);
  report(`Reading the package lists of ${apt.suite}`);
  const index = await apt.lists();
  const major = newestPostgres(apt, index);
  const roots = ["nats-server", `postgresql-${major}`, `postgresql-client-${major}`, `postgresql-${major}-pgvector`];
  const records = packageClosure(roots, index);
  report(
    `Fetching ${String(records.length)} packages (${megabytes(sumOf(records))} MB) for PostgreSQL ${major} and nats-server`,
  );
  await fetchAndUnpack(apt, records, draft, signal);
  const programs = await finishTree(draft, major);
  const packages = Object.fromEntries(records.map(({ name, version }) => [name, version]));
  const manifest: TreeManifest = { ...programs, suite: apt.suite, packages };
  await writeFile(join(draft, MANIFEST), JSON.stringify(manifest, null, 2), { mode: 0o644 });
}

function newestPostgres(apt: Apt, index: PackageIndex): string {
  const names = index.names(/^postgresql-[0-9]+-pgvector$/);
  const majors = names.map((name) => Number(name.split("-")[1])).sort((a, b) => b - a);
  if (majors[0] !== undefined) return String(majors[0]);
  throw new PackagesUnavailableError(`The packages of ${apt.suite} hold no PostgreSQL with pgvector.`);
}

function sumOf(records: readonly PackageRecord[]): number {
  return records.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** The folder's name says whose packages it holds, so that a system upgrade fetches anew. */
function treeName(host: Host): string | undefined {
  if (!host.distribution) return undefined;
  return `${host.distribution.id}-${chooseSuite(host.distribution)}-${host.arch}-${String(LAYOUT)}`;
}

/** Undefined for a tree that is not there, or damaged: then it is unpacked anew. */
async function readTree(folder: string): Promise<UnpackedServers | undefined> {
  const text = await readText(join(folder, MANIFEST)).catch(() => undefined);
  const manifest = manifestSchema.safeParse(text === undefined ? undefined : parseJson(text));
  if (!manifest.success) return undefined;
  const { postgres, nats, ...rest } = manifest.data;
  const found = {
    ...rest,
    folder,
    postgres: { ...postgres, binFolder: join(folder, postgres.binFolder) },
    nats: { ...nats, path: join(folder, nats.path) },
  };
  // After a power failure, what was written last may be empty, whatever its name.
  const programs = [
    join(found.postgres.binFolder, "postgres"),
    join(found.postgres.binFolder, "initdb"),
    found.nats.path,
  ];
  const whole = await Promise.all(programs.map((program) => isWhole(program)));
  return whole.every(Boolean) ? found : undefined;
}

/** A program and, where it is a script around another, that one. */
async function isWhole(program: string): Promise<boolean> {
  return (await isFilled(program)) && (await isFilled(`${program}.real`));
}

async function waitForLock(
  file: string,
  report: ReportStep,
  signal: AbortSignal | undefined,
): Promise<{ release(): Promise<void> }> {
  for (let told = false; ; told = true) {
    signal?.throwIfAborted();
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

function unavailable(error: unknown, cacheDir: string, host: Host): unknown {
  if (error instanceof FolderUnusableError) return error;
  const why = error instanceof Error ? error.message : String(error);
  if (isAboutFolder(error)) return unusableCache(cacheDir, why, error);
  return new PackagesUnavailableError(
    `The servers could not be unpacked from the packages of ${host.name}. ${why.trimEnd()}\nCheck the network and apt's settings, then start again. Or: ${installHint(host)}`,
    { cause: error },
  );
}
