import { constants } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { ServerUserError } from "./errors.ts";

/** A user that is not root, by number. */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** In this order: one made for the purpose, else the one that every system has. */
const NAMES = ["signalbox", "nobody"];

/**
 * The user that servers run as: undefined for "the one that we are". Postgres refuses to run as root,
 * and NATS has no need to.
 *
 * @throws {@link ServerUserError} if we are root and the system has no such user.
 */
export async function serverUser(): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const lines = (await readFile("/etc/passwd", "utf8").catch(() => "")).split("\n").map((line) => line.split(":"));
  for (const name of NAMES) {
    const line = lines.find((fields) => fields[0] === name);
    const uid = Number(line?.[2]);
    const gid = Number(line?.[3]);
    if (uid > 0 && gid > 0) return { name, uid, gid };
  }
  throw new ServerUserError(
    "Signalbox runs as root, PostgreSQL refuses to, and this system has no user called signalbox or nobody to run it as. Run Signalbox as an ordinary user, or add a user called signalbox.",
  );
}

/** Whether the user may enter this existing folder: it and every folder above it let them pass. */
export async function canEnter(folder: string, user: ServerUser): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    const { mode, uid, gid } = await stat(at);
    const bit = uid === user.uid ? constants.S_IXUSR : gid === user.gid ? constants.S_IXGRP : constants.S_IXOTH;
    if ((mode & bit) === 0) return false;
    if (dirname(at) === at) return true;
  }
}
