import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { aptWorkspace } from "../../runtime/stack/apt.ts";
import { fetchServers } from "../../runtime/stack/fetch-servers.ts";
import { findPrograms } from "../../runtime/stack/find-programs.ts";
import { describeHost, readHost } from "../../runtime/stack/host.ts";
import { canUnpack, findUnpacked, unpackServers } from "../../runtime/stack/packages.ts";
import { freePort } from "../../runtime/stack/probe.ts";
import { runProgram } from "../../runtime/stack/run-program.ts";
import { allLines, firstLine, spawnSupport } from "../support/processes.ts";

const host = await readHost();
const packaged = await canUnpack(host);

async function withCache(work: (cacheDir: string) => Promise<void>): Promise<void> {
  const cacheDir = await mkdtemp(join(tmpdir(), "signalbox cache-"));
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
      expect(steps.map((told) => told.some((step) => step.startsWith("Fetching"))).sort()).toEqual([false, true]);
      expect(await readdir(cacheDir)).toHaveLength(1);
      expect(await findUnpacked(cacheDir, host)).toEqual(one);
      expect(await runProgram(join(one?.postgres.binFolder ?? "", "postgres"), ["--version"])).toContain(
        one?.postgres.version,
      );
      expect(await runProgram(one?.nats.path ?? "", ["--version"])).toContain(one?.nats.version);

      // As after a power failure: the name is there, what was written last is not.
      await truncate(`${one?.nats.path ?? ""}.real`);
      expect(await findUnpacked(cacheDir, host)).toBeUndefined();
      const fetching = new AbortController();
      const stopped = unpackServers(cacheDir, host, () => undefined, fetching.signal);
      fetching.abort();
      await expect(stopped).rejects.toMatchObject({ code: "PACKAGES_UNAVAILABLE" });
      expect(await unpackServers(cacheDir, host, () => undefined)).toEqual(one);
      expect(await readdir(cacheDir)).toHaveLength(1);
    });
  },
);

test.runIf(packaged)("unpacking - stopped in the middle, leaves nothing and waits for nothing", async () => {
  await withCache(async (cacheDir) => {
    const stop = new AbortController();
    const unpacking = unpackServers(
      cacheDir,
      host,
      (step) => {
        if (step.startsWith("Fetching")) stop.abort();
      },
      stop.signal,
    );
    await expect(unpacking).rejects.toMatchObject({ code: "PACKAGES_UNAVAILABLE" });
    expect(await readdir(cacheDir)).toEqual([]);
  });
});

test.runIf(packaged)("a package - is taken only with the hash that the lists give", async () => {
  await withCache(async (folder) => {
    await using apt = await aptWorkspace(join(folder, "apt"), host);
    const file = join(folder, "package.deb");
    await writeFile(file, "not what the lists say");
    const record = { name: "some", version: "1", sizeBytes: 22, needs: [], uri: `file:${encodeURI(file)}` };
    const sha256 = createHash("sha256").update("not what the lists say").digest("hex");
    await expect(apt.download([{ ...record, sha256: sha256.replace(/^./, "x") }])).rejects.toThrow("no hash");
    await expect(apt.download([{ ...record, sha256: "0".repeat(64) }])).rejects.toThrow(/Hash|hash/);
    const [fetched] = await apt.download([{ ...record, sha256 }]);
    expect(await readFile(fetched?.file ?? "", "utf8")).toBe("not what the lists say");
  });
});

test.runIf(packaged)("unpacking - without a network it says so, and what else can be done", async () => {
  await withCache(async (cacheDir) => {
    const nobody = `http://127.0.0.1:${String(await freePort())}`;
    const env = { ...process.env, http_proxy: nobody, https_proxy: nobody };
    const child = spawnSupport("unpack-process.ts", [cacheDir], { env });
    const lines = await allLines(child);
    const told = JSON.parse(lines.at(-1) ?? "") as { code: string; message: string };
    expect(told.code).toBe("PACKAGES_UNAVAILABLE");
    expect(told.message).toContain("Check the network");
    expect(told.message).toContain(nobody.slice("http://".length));
    expect(await readdir(cacheDir)).toEqual([]);
  });
});

test.runIf(packaged)("unpacking - of a suite that no source of this machine's apt has says so", async () => {
  await withCache(async (cacheDir) => {
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

test("fetching ahead - is done at once where both servers are named, or is stopped", async () => {
  await withCache(async (cacheDir) => {
    const named = { dataDir: cacheDir, cacheDir, databaseUrl: "postgres://x", natsUrl: "nats://x" };
    await fetchServers(named).done;
    const fetching = fetchServers({ dataDir: cacheDir, cacheDir });
    await fetching[Symbol.asyncDispose]();
    // Where servers are installed, there was nothing to fetch and nothing to stop.
    await fetching.done.catch((error: unknown) => {
      expect(error).toMatchObject({ code: "PACKAGES_UNAVAILABLE" });
    });
    expect(await readdir(cacheDir)).toEqual([]);
  });
});
