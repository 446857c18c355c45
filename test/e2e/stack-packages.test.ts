import { once } from "node:events";
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findPrograms } from "../../runtime/stack/find-programs.ts";
import { describeHost, readHost } from "../../runtime/stack/host.ts";
import { canUnpack, findUnpacked, unpackServers } from "../../runtime/stack/packages.ts";
import { runProgram } from "../../runtime/stack/run-program.ts";
import { firstLine, spawnSupport } from "../support/processes.ts";

const host = await readHost();
const packaged = await canUnpack(host);

async function withCache(work: (cacheDir: string) => Promise<void>): Promise<void> {
  const cacheDir = await mkdtemp(join(tmpdir(), "signalbox-cache-"));
  try {
    await work(cacheDir);
  } finally {
    await rm(cacheDir, { recursive: true, force: true, maxRetries: 10 });
  }
}

test.runIf(packaged)(
  "unpacking - one start killed, then two at once: one tree, whole, and nothing left lying about",
  async () => {
    await withCache(async (cacheDir) => {
      const killed = spawnSupport("unpack-process.ts", [cacheDir]);
      await firstLine(killed);
      expect((await readdir(cacheDir)).filter((name) => name.endsWith(".draft"))).toHaveLength(1);
      const ended = once(killed, "exit");
      // Its apt as well: all of its process group.
      process.kill(-(killed.pid ?? 0), "SIGKILL");
      await ended;
      expect(await findUnpacked(cacheDir, host)).toBeUndefined();

      const steps: string[][] = [[], []];
      const [one, two] = await Promise.all(
        steps.map((told) => unpackServers(cacheDir, host, (step) => told.push(step))),
      );
      expect(one).toEqual(two);
      // One of them worked; the other one waited and took what was there.
      expect(steps.map((told) => told.includes("Unpacking")).sort()).toEqual([false, true]);
      expect(await readdir(cacheDir)).toHaveLength(1);
      expect(await findUnpacked(cacheDir, host)).toEqual(one);
      expect(await runProgram(join(one?.postgres.binFolder ?? "", "postgres"), ["--version"])).toContain(
        one?.postgres.version,
      );
      expect(await runProgram(one?.nats.path ?? "", ["--version"])).toContain(one?.nats.version);
    });
  },
);

test.runIf(packaged)("unpacking - without a network it says so, and what else can be done", async () => {
  await withCache(async (cacheDir) => {
    // Nothing is fetched for a suite that no source of this machine's apt has.
    const elsewhere = { ...host, distribution: { id: "debian", codename: "nonesuch" } as const };
    await expect(unpackServers(cacheDir, elsewhere, () => undefined)).rejects.toMatchObject({
      code: "PACKAGES_UNAVAILABLE",
      message: expect.stringContaining("docker compose up") as string,
    });
    expect(await readdir(cacheDir)).toEqual([]);
  });
});

test("a system whose packages cannot be unpacked - is never tried", async () => {
  expect(await canUnpack(describeHost("linux", "x64", "6.8", "ID=fedora\n"))).toBe(false);
  expect(await canUnpack(describeHost("darwin", "arm64", "25.0", ""))).toBe(false);
});

test.skipIf(process.getuid?.() === 0)("a cache folder that cannot be made - is refused", async () => {
  await withCache(async (cacheDir) => {
    await chmod(cacheDir, 0o500);
    await expect(unpackServers(join(cacheDir, "inside"), host, () => undefined)).rejects.toMatchObject({
      code: "FOLDER_UNUSABLE",
    });
  });
});

test("finding programs - asks for nothing where nothing is wanted", async () => {
  expect(await findPrograms({}, undefined, { postgres: false, nats: false })).toEqual({
    postgres: undefined,
    nats: undefined,
  });
});
