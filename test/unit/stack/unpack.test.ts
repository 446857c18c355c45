import { expect, test } from "vitest";
import type { PackageRecord } from "../../../runtime/stack/package-index.ts";
import { batches, fetchAndUnpack } from "../../../runtime/stack/unpack.ts";

function sized(name: string, megabytes: number): PackageRecord {
  return { name, version: "1", sizeBytes: megabytes * 1e6, needs: [], uri: "", sha256: "" };
}

test("fetches - are of one large package or of several small ones, the largest first", () => {
  const records = [sized("small", 0.5), sized("large", 17), sized("middle", 3), sized("icu", 10), sized("tiny", 0.1)];
  const names = batches(records).map((batch) => batch.map(({ name }) => name));
  expect(names).toEqual([["large"], ["icu"], ["middle", "small", "tiny"]]);
  expect(batches([])).toEqual([]);
});

test("a fetch that fails - ends those that run, and is what is told", async () => {
  const records = ["a", "b", "c", "d", "e"].map((name) => sized(name, 10));
  const begun: string[] = [];
  let running = 0;
  const download = async ([record]: readonly PackageRecord[], signal?: AbortSignal): Promise<never> => {
    begun.push(record?.name ?? "");
    running += 1;
    try {
      if (record?.name === "b") throw new Error("the mirror went away");
      await new Promise((_, reject) => {
        const stopped = (): void => {
          reject(new Error("stopped"));
        };
        if (signal?.aborted === true) stopped();
        signal?.addEventListener("abort", stopped);
      });
      throw new Error("not reached");
    } finally {
      running -= 1;
    }
  };
  await expect(fetchAndUnpack({ download }, records, "/nowhere")).rejects.toThrow("the mirror went away");
  expect(running).toBe(0);
  expect(begun.slice(0, 3)).toEqual(["a", "b", "c"]);
});
