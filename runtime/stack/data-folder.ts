import { chmod, chown, mkdir, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../core/canonical.ts";
import { hasErrorCode } from "./error-code.ts";
import { DataFolderInUseError, FolderUnusableError } from "./errors.ts";
import { exists, isAboutFolder, isAboutRoom, parseJson, readText, writePrivately } from "./files.ts";
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
      for (const program of state.programs) if (isRunning(program)) signal(program);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await Promise.all([FILES.keeper, FILES.running].map((file) => rm(join(dataDir, file), { force: true })));
}

function signal({ pid, stopSignal }: KeeperState["programs"][number]): void {
  try {
    process.kill(pid, stopSignal);
  } catch (error) {
    // It ended just now.
    if (!hasErrorCode(error, "ESRCH")) throw error;
  }
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

/** Where the servers' own folder of a data folder is, or would most likely be made. Changes nothing. */
export async function expectedServersFolder(dataDir: string): Promise<string> {
  return (await readPointer(dataDir)) ?? join(dataDir, FILES.servers);
}

/**
 * Removes all data of a data folder.
 *
 * @throws {@link DataFolderInUseError} while its servers run, and {@link FolderUnusableError} if files in
 *   it are somebody else's.
 */
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
      [FILES.servers, FILES.secrets, FILES.pointer, FILES.keeperLog].map((name) =>
        rm(join(dataDir, name), { recursive: true, force: true }),
      ),
    );
  } catch (error) {
    throw asUnusable(dataDir, error);
  } finally {
    await lock.release();
  }
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
  await mkdir(ELSEWHERE, { recursive: true });
  // Whatever the umask: the servers' user has to pass.
  await chmod(ELSEWHERE, 0o711);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writePrivately(join(folder, "owner"), real);
  await writePrivately(join(dataDir, FILES.pointer), folder);
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

/** Turns what the system says about a data folder into an error for people; leaves all else as it is. */
export function asUnusable(folder: string, error: unknown): unknown {
  if (!isAboutFolder(error)) return error;
  const why = error instanceof Error ? error.message : String(error);
  const todo = isAboutRoom(error)
    ? "Make room on its disk"
    : "Make it and what is in it this user's (a start as root, with sudo for example, leaves root's files)";
  return new FolderUnusableError(
    `The folder ${folder} cannot be used for data: ${why}. ${todo}, or name another one.`,
    {
      details: { folder },
      cause: error,
    },
  );
}
