import { afterEach, expect, test, vi } from "vitest";
import { defaultCacheFolder } from "../../../runtime/stack/cache-folder.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

function asUser(uid: number): void {
  if (process.getuid) vi.spyOn(process, "getuid").mockReturnValue(uid);
}

test("the cache folder - is root's own for root, else the user's", () => {
  asUser(0);
  expect(defaultCacheFolder({ XDG_CACHE_HOME: "/root/cache" })).toBe("/var/cache/signalbox");
  asUser(1000);
  expect(defaultCacheFolder({ XDG_CACHE_HOME: "/home/me/cache" })).toBe("/home/me/cache/signalbox");
  vi.stubEnv("HOME", "/home/me");
  expect(defaultCacheFolder({})).toBe("/home/me/.cache/signalbox");
  // The rule of XDG: a path that is not absolute counts for nothing.
  expect(defaultCacheFolder({ XDG_CACHE_HOME: "cache" })).toBe("/home/me/.cache/signalbox");
});

test("the cache folder - of a user without a home is asked for, not made where we happen to be", () => {
  asUser(1000);
  for (const home of ["", "relative"]) {
    vi.stubEnv("HOME", home);
    expect(() => defaultCacheFolder({})).toThrow(
      expect.objectContaining({
        code: "FOLDER_UNUSABLE",
        message: expect.stringContaining("XDG_CACHE_HOME") as string,
      }),
    );
  }
});
