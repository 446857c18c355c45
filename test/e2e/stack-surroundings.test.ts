import { spawn, spawnSync } from "node:child_process";
import { chmod, chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeDataFolder } from "../../runtime/stack/index.ts";
import { canUnpack } from "../../runtime/stack/packages.ts";
import { defaultCacheFolder } from "../../runtime/stack/cache-folder.ts";
import { readHost } from "../../runtime/stack/host.ts";
import { canEnter } from "../../runtime/stack/server-user.ts";
import { firstLine, spawnSupport, supportCommand, until } from "../support/processes.ts";

/** What a machine may be like: full disks, other users' files, strict settings. Most of it only root can set up. */

const NOBODY = { name: "nobody", uid: 65_534, gid: 65_534 };
const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
const root = process.getuid?.() === 0;
/** Mounts that only one process tree sees: containers often may not. */
const mayMount = root && spawnSync("/usr/bin/unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0;
const host = await readHost();
const packaged = await canUnpack(host);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "signalbox-surroundings-"));
  await chmod(folder, 0o755);
});
afterEach(async () => {
  await removeDataFolder(folder).catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
});

interface Told {
  readonly code?: string;
  readonly message?: string;
  readonly databaseUrl?: string;
  readonly found?: boolean;
}

/** Runs a shell script in a mount namespace of its own; gives the lines of JSON that its programs printed. */
async function inOwnMounts(script: string): Promise<Told[]> {
  const child = spawn("/usr/bin/unshare", ["-m", "sh", "-ec", script, "sh", folder], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: REPOSITORY,
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  await new Promise((resolve) => child.once("close", resolve));
  return printed.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Told] : []));
}

test.runIf(mayMount)("a full disk - is named, and once there is room the same folder works", async () => {
  const start = supportCommand("stack-process.ts");
  // Each size is full at another moment: with the passwords, the keeper's state, the database.
  for (const size of ["4k", "8k", "20m"]) {
    const [full, roomy] = await inOwnMounts(`
      mount -t tmpfs -o mode=755,size=${size} none "$1"
      ${start} "$1/data" "" once
      mount -o remount,size=600m "$1"
      ${start} "$1/data" "" once`);
    expect(["FOLDER_UNUSABLE", "SERVER_FAILED"], `${size}: ${JSON.stringify(full)}`).toContain(full?.code);
    expect(full?.message, size).toMatch(/ake room/);
    expect(roomy, size).toHaveProperty("databaseUrl");
  }
});

test.runIf(mayMount && packaged)(
  "a disk without room for the programs - is named before anything is fetched",
  async () => {
    const [told] = await inOwnMounts(`
    mount -t tmpfs -o mode=755,size=64m none "$1"
    ${supportCommand("unpack-process.ts")} "$1/cache"
    test -z "$(ls "$1/cache")"`);
    expect(told?.code).toBe("FOLDER_UNUSABLE");
    expect(told?.message).toMatch(/67 MB are free.*350 MB/);
  },
);

test.runIf(mayMount)(
  "as root with a umask that shuts others out - the servers' user gets to its data all the same",
  async () => {
    await chmod(folder, 0o700);
    const [told] = await inOwnMounts(`
    mount -t tmpfs -o mode=755 none /var/lib
    umask 077
    ${supportCommand("stack-process.ts")} "$1/data" "" once`);
    expect(told).toHaveProperty("databaseUrl");
  },
);

test.runIf(root)(
  "a start after one as root - says whose files are in the way, also while root's runs",
  async (context) => {
    const repository = fileURLToPath(new URL("../../", import.meta.url));
    context.skip(!(await canEnter(repository, NOBODY)), "the repository is in a folder that other users cannot enter");
    await chown(folder, NOBODY.uid, NOBODY.gid);
    const env = { PATH: process.env["PATH"], HOME: folder };
    const asNobody = async (...what: string[]): Promise<Told> => {
      const args = [folder, defaultCacheFolder(process.env), ...what];
      return JSON.parse(await firstLine(spawnSupport("stack-process.ts", args, { ...NOBODY, env }))) as Told;
    };
    const roots = spawnSupport("stack-process.ts", [folder]);
    const ended = new Promise((resolve) => roots.once("exit", resolve));
    try {
      await firstLine(roots);
      expect(await asNobody("find")).toMatchObject({ code: "FOLDER_UNUSABLE" });
    } finally {
      roots.kill("SIGTERM");
      await ended;
    }
    const start = () => asNobody("once");
    let told = await start();
    // Root's servers may still be stopping.
    await until(async () => told.code !== "DATA_FOLDER_IN_USE" || ((told = await start()), false));
    expect(told.code).toBe("FOLDER_UNUSABLE");
    expect(told.message).toContain("sudo");
  },
);
