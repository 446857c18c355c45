import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { sha256 } from "../core/canonical.ts";
import { hasErrorCode } from "./error-code.ts";
import { DataFolderInUseError, FolderUnusableError } from "./errors.ts";
import type { KeeperState } from "./keeper-protocol.ts";
import { lockHolder, takeLock, type HeldLock } from "./lock-file.ts";
import { isRunning, toIdentity, type ProcessIdentity } from "./process-identity.ts";
import { canEnter, type ServerUser } from "./server-user.ts";

/** The names of what lies in a data folder. */
export const FILES = {
  lock: "lock",
  /** Written by the keeper while it runs. */
  keeper: "keeper.json",
  /** How to reach the running servers; there only while they run. */
  running: "running.json",
  secrets: "secrets.json",
  /** Holds the path of the servers' own folder where that is not in the data folder. */
  pointer: "servers-at",
  servers: "servers",
  keeperLog: "keeper.log",
  /** Logs of the worker processes. */
  logs: "logs",
  /** What bundled samples keep outside the database: their pretend bank, for example. */
  samples: "samples",
} as const;

/** Where the data goes that a data folder's own place cannot hold, because root's servers cannot enter it. */
const ELSEWHERE = "/var/lib/signalbox";
/** How long a start waits for servers of a killed process to stop. */
const LEFTOVERS_WITHIN_MS = 30_000;

const secretsSchema = z.object({ postgres: z.string(), natsWorker: z.string(), natsConsole: z.string() });
/** Passwords of this data folder's servers. */
export type Secrets = z.infer<typeof secretsSchema>;

/**
 * Makes the data folder where it is missing, and locks it.
 *
 * @throws {@link DataFolderInUseError} if another process runs its servers here, and
 *   {@link FolderUnusableError} if the folder cannot be written.
 */
export async function lockDataFolder(dataDir: string): Promise<HeldLock> {
  try {
    // Others may pass through (root's servers run as another user) but not look around.
    await mkdir(dataDir, { recursive: true, mode: 0o711 });
    const lock = await takeLock(join(dataDir, FILES.lock));
    if (lock.held) return lock;
    throw inUse(dataDir, lock.by);
  } catch (error) {
    throw asUnusable(dataDir, error);
  }
}

export function inUse(dataDir: string, by: ProcessIdentity): DataFolderInUseError {
  const self = by.pid === process.pid ? "this very process" : `the process ${String(by.pid)}`;
  return new DataFolderInUseError(
    `The data folder ${dataDir} is in use: ${self} runs its servers there. Stop it first, or use another data folder.`,
    { details: { dataDir, pid: by.pid } },
  );
}

/** The process that runs servers on this folder, if one does. */
export function dataFolderHolder(dataDir: string): Promise<ProcessIdentity | undefined> {
  return lockHolder(join(dataDir, FILES.lock));
}

/**
 * Waits until servers that a killed process left behind have stopped; stops them where their keeper
 * was killed too. Call it with the folder locked.
 */
export async function clearLeftovers(dataDir: string): Promise<void> {
  const state = await readKeeperState(join(dataDir, FILES.keeper));
  if (!state) return;
  const all = [state.keeper, ...state.programs];
  const deadline = performance.now() + LEFTOVERS_WITHIN_MS;
  let signalled = false;
  for (let left = all.filter(isRunning); left.length > 0; left = left.filter(isRunning)) {
    if (performance.now() > deadline) {
      const pids = left.map(({ pid }) => String(pid)).join(", ");
      throw new DataFolderInUseError(
        `Servers of an earlier start still run on the data folder ${dataDir} and do not stop (processes ${pids}). End them, then start again.`,
        { details: { dataDir, pids } },
      );
    }
    if (!signalled && !isRunning(state.keeper)) {
      signalled = true;
      for (const program of state.programs) if (isRunning(program)) process.kill(program.pid, program.stopSignal);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await Promise.all([FILES.keeper, FILES.running].map((file) => rm(join(dataDir, file), { force: true })));
}

/**
 * The folder that the servers own, made where it is missing: in the data folder if the servers' user
 * can get there, else elsewhere, with a pointer left behind. Nobody's folders are opened up for it.
 */
export async function serversFolder(dataDir: string, user: ServerUser | undefined): Promise<string> {
  try {
    const folder = await findServersFolder(dataDir, user);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (user) await chown(folder, user.uid, user.gid);
    await chmod(folder, 0o700);
    return folder;
  } catch (error) {
    throw asUnusable(dataDir, error);
  }
}

/** Removes all data of a data folder. @throws {@link DataFolderInUseError} while its servers run. */
export async function removeDataFolder(dataDir: string): Promise<void> {
  if (!(await exists(dataDir))) return;
  const lock = await lockDataFolder(dataDir);
  try {
    await clearLeftovers(dataDir);
    const elsewhere = await readPointer(dataDir);
    if (elsewhere !== undefined && (await ownerOf(elsewhere)) === (await realpath(dataDir))) {
      await rm(elsewhere, { recursive: true, force: true });
    }
    // Only what is ours: people point data folders at odd places.
    await Promise.all(
      [FILES.servers, FILES.secrets, FILES.pointer, FILES.keeperLog, FILES.logs, FILES.samples].map((name) =>
        rm(join(dataDir, name), { recursive: true, force: true }),
      ),
    );
  } finally {
    await lock.release();
  }
}

/** The folder's passwords, made at the first call. */
export async function readSecrets(dataDir: string): Promise<Secrets> {
  const file = join(dataDir, FILES.secrets);
  const fresh = { postgres: newPassword(), natsWorker: newPassword(), natsConsole: newPassword() };
  try {
    await writeFile(file, JSON.stringify(fresh), { mode: 0o600, flag: "wx" });
    return fresh;
  } catch (error) {
    if (!hasErrorCode(error, "EEXIST")) throw asUnusable(dataDir, error);
  }
  const found = secretsSchema.safeParse(parseJson(await readFile(file, "utf8")));
  if (found.success) return found.data;
  throw new FolderUnusableError(
    `The file ${file} with the servers' passwords is damaged. Restore it from a backup, or start over with a fresh data folder.`,
    { details: { file } },
  );
}

function newPassword(): string {
  return randomBytes(24).toString("base64url");
}

async function findServersFolder(dataDir: string, user: ServerUser | undefined): Promise<string> {
  const real = await realpath(dataDir);
  const inside = join(real, FILES.servers);
  if (!user) return inside;
  const pointed = await readPointer(dataDir);
  if (pointed === undefined && ((await exists(inside)) || (await canEnter(real, user)))) return inside;
  const folder = pointed ?? join(ELSEWHERE, sha256(real).slice(0, 16));
  const owner = await ownerOf(folder);
  if (owner !== undefined && owner !== real && (await exists(owner))) {
    throw new FolderUnusableError(
      `The data folder ${dataDir} seems to be a copy of ${owner}: both point at ${folder}. Use another data folder, or delete ${join(dataDir, FILES.pointer)} to start this one without data.`,
      { details: { dataDir, owner, folder } },
    );
  }
  await mkdir(ELSEWHERE, { recursive: true, mode: 0o711 });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, "owner"), real, { mode: 0o600 });
  await writeFile(join(dataDir, FILES.pointer), folder, { mode: 0o600 });
  return folder;
}

function readPointer(dataDir: string): Promise<string | undefined> {
  return readText(join(dataDir, FILES.pointer));
}

function ownerOf(folder: string): Promise<string | undefined> {
  return readText(join(folder, "owner"));
}

async function readKeeperState(file: string): Promise<KeeperState | undefined> {
  const text = await readText(file);
  const state = text === undefined ? undefined : (parseJson(text) as Partial<KeeperState> | undefined);
  const keeper = toIdentity(state?.keeper);
  return keeper && state?.programs ? { keeper, programs: state.programs } : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (hasErrorCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Turns what the system says about a folder into an error for people; leaves all else as it is. */
function asUnusable(folder: string, error: unknown): unknown {
  if (!hasErrorCode(error, "EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENOSPC")) return error;
  return new FolderUnusableError(
    `The folder ${folder} cannot be used for data: ${error instanceof Error ? error.message : String(error)}. Make it writable for the user that runs Signalbox, or name another one.`,
    { details: { folder }, cause: error },
  );
}
