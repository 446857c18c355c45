import { chmod, mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { FolderUnusableError } from "./errors.ts";
import { freeBytes, megabytes } from "./files.ts";

/** What a fetch needs at its height: lists 60 MB, packages 45 MB, unpacked 160 MB; and some to spare. */
const ROOM_BYTES = 350_000_000;

/**
 * Where unpacked servers are kept when nobody says otherwise: for root a place that the servers' user
 * can read, for others their own cache.
 */
export function defaultCacheFolder(env: NodeJS.ProcessEnv): string {
  if (process.getuid?.() === 0) return "/var/cache/signalbox";
  const xdg = env["XDG_CACHE_HOME"];
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homeFolder(), ".cache"), "signalbox");
}

/** In containers a user may be a mere number, with HOME unset and no entry in the list of users. */
function homeFolder(): string {
  let home = "";
  try {
    home = homedir();
  } catch {
    // Said below.
  }
  if (isAbsolute(home)) return home;
  throw new FolderUnusableError(
    "There is no place for the servers' programs: this user has no home folder. Set XDG_CACHE_HOME to a folder that this user can write.",
  );
}

/** Whatever the umask: the servers may run as another user. */
export async function mkdirReadable(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o755 });
  if (made !== undefined) await chmod(folder, 0o755);
}

/** @throws {@link FolderUnusableError} if the disk has no room for what a fetch needs. */
export async function checkRoom(cacheDir: string): Promise<void> {
  const free = await freeBytes(cacheDir);
  if (free >= ROOM_BYTES) return;
  throw new FolderUnusableError(
    `The disk of the cache folder ${cacheDir} is full: ${megabytes(free)} MB are free, and unpacking the servers takes ${megabytes(ROOM_BYTES)} MB. Make room${orElsewhere()}.`,
    { details: { folder: cacheDir, freeBytes: free } },
  );
}

export function unusableCache(cacheDir: string, why: string, cause: unknown): FolderUnusableError {
  return new FolderUnusableError(
    `The cache folder ${cacheDir} cannot be used: ${why}. Make it writable for this user${orElsewhere()}.`,
    { details: { folder: cacheDir }, cause },
  );
}

/** Root's servers run as another user, who cannot get to wherever root's own cache may be. */
function orElsewhere(): string {
  return process.getuid?.() === 0 ? "" : ", or set XDG_CACHE_HOME to another folder";
}
