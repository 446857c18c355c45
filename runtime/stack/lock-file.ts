import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { hasErrorCode } from "./error-code.ts";
import { identify, isRunning, toIdentity, type ProcessIdentity } from "./process-identity.ts";

/** A lock that this process holds. */
export interface HeldLock {
  readonly held: true;
  release(): Promise<void>;
}

/** A lock that another running process holds. */
export interface BusyLock {
  readonly held: false;
  readonly by: ProcessIdentity;
}

/**
 * Takes a lock: a file that names its holder. The lock of a process that no longer runs, killed or
 * gone with the machine, is taken over.
 */
export async function takeLock(file: string): Promise<HeldLock | BusyLock> {
  const me = identify(process.pid);
  if (!me) throw new Error("This process cannot find itself among the running ones.");
  // The nonce tells two locks of one process apart.
  const text = JSON.stringify({ ...me, nonce: randomUUID() });
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, text, { mode: 0o644 });
    for (;;) {
      // A link appears at once and with its content, which `open` followed by `write` does not.
      if (await ifNotCode("EEXIST", link(draft, file))) return { held: true, release: () => release(file, text) };
      const found = await readIfThere(file);
      if (found === undefined) continue;
      const holder = parseHolder(found);
      if (holder && isRunning(holder)) return { held: false, by: holder };
      if (await replaceStale(file, found, draft)) return { held: true, release: () => release(file, text) };
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** Who holds a lock, if a running process does. */
export async function lockHolder(file: string): Promise<ProcessIdentity | undefined> {
  const found = await readIfThere(file);
  const holder = found === undefined ? undefined : parseHolder(found);
  return holder && isRunning(holder) ? holder : undefined;
}

/**
 * Puts our lock in the place of a stale one, unless somebody else was faster. Between the look and the
 * replacement nobody else may replace it, or two would hold it: that takes a lock of its own, which
 * has a stale one replaced in the same way should its holder be killed in that moment.
 */
async function replaceStale(file: string, stale: string, draft: string): Promise<boolean> {
  const turn = await takeLock(`${file}.turn`);
  if (!turn.held) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return false;
  }
  try {
    if ((await readIfThere(file)) !== stale) return false;
    await rename(draft, file);
    return true;
  } finally {
    await turn.release();
  }
}

async function release(file: string, text: string): Promise<void> {
  if ((await readIfThere(file)) === text) await ifNotCode("ENOENT", unlink(file));
}

function parseHolder(text: string): ProcessIdentity | undefined {
  try {
    return toIdentity(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (hasErrorCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Waits for the action: true if it was done, false if it failed with this system error code. */
async function ifNotCode(code: string, action: Promise<void>): Promise<boolean> {
  try {
    await action;
    return true;
  } catch (error) {
    if (hasErrorCode(error, code)) return false;
    throw error;
  }
}
