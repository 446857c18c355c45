import { readFile, rename, stat, statfs, writeFile } from "node:fs/promises";
import { hasErrorCode } from "./error-code.ts";

/** The file's text; undefined if there is none. */
export async function readText(file: string, encoding: "utf8" | "latin1" = "utf8"): Promise<string | undefined> {
  try {
    return await readFile(file, encoding);
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

/** Whether there is a file with something in it. */
export async function isFilled(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.size > 0,
    () => false,
  );
}

/** How much may be written to the disk that a folder is on. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** For people. */
export function megabytes(bytes: number): string {
  return String(Math.round(bytes / 1e6));
}

/** Writes a file that appears whole or not at all, and that nobody else can read. */
export async function writePrivately(file: string, text: string): Promise<void> {
  const draft = `${file}.new`;
  await writeFile(draft, text, { mode: 0o600 });
  await rename(draft, file);
}

/** Undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether the system says that a folder cannot be used: not ours, not a folder, no room. */
export function isAboutFolder(error: unknown): boolean {
  return isAboutRoom(error) || hasErrorCode(error, ...FOLDER_CODES);
}

export function isAboutRoom(error: unknown): boolean {
  return hasErrorCode(error, "ENOSPC", "EDQUOT");
}

const FOLDER_CODES = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR", "EEXIST", "ELOOP", "ENAMETOOLONG"];
