import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createSuspectsLane } from "../../runtime/platform/suspects-lane.ts";
import { until, untilGone } from "../support/processes.ts";

const MAIN = fileURLToPath(new URL("../support/lane-process.mjs", import.meta.url));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "signalbox-lane-"));
});
afterEach(() => rm(folder, { recursive: true }));

const pids = async (): Promise<number[]> => (await readdir(folder)).map(Number);

describe("the processes for suspected runs", () => {
  test("are started one after the other as long as such runs wait, up to so many", async () => {
    await using lane = createSuspectsLane({ main: MAIN, args: [folder, "worker"], most: 3, staggerMs: 0 });
    for (let asked = 0; asked < 10; asked++) lane.wanted();
    await until(async () => (await pids()).length === 3);
    lane.wanted();
    const [first] = await pids();
    expect(await readFile(join(folder, String(first)), "utf8")).toBe("worker --suspects --with-parent");
    process.kill(first ?? 0, "SIGKILL");
    await untilGone([first ?? 0]);
    await until(async () => {
      lane.wanted();
      return (await pids()).length === 4;
    });
  });

  test("are one, until it had time to take what waits; one that has died is followed at once", async () => {
    await using lane = createSuspectsLane({ main: MAIN, args: [folder, "worker"], staggerMs: 600_000 });
    lane.wanted();
    lane.wanted();
    await until(async () => (await pids()).length === 1);
    lane.wanted();
    const [first] = await pids();
    process.kill(first ?? 0, "SIGKILL");
    await until(async () => {
      lane.wanted();
      return (await pids()).length === 2;
    });
  });

  test("end with the lane, which starts none afterwards", async () => {
    const lane = createSuspectsLane({ main: MAIN, args: [folder, "worker"], most: 2, staggerMs: 0 });
    lane.wanted();
    lane.wanted();
    await until(async () => (await pids()).length === 2);
    await lane[Symbol.asyncDispose]();
    await untilGone(await pids());
    lane.wanted();
    expect(await pids()).toHaveLength(2);
  });
});
