import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Refresher } from "../../../console/server/live/refresher.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Work that ends when the test says so. */
function heldWork() {
  const held: (() => void)[] = [];
  let started = 0;
  return {
    work: () => {
      started += 1;
      return new Promise<void>((resolve) => held.push(resolve));
    },
    started: () => started,
    finish: async () => {
      held.shift()?.();
      await vi.advanceTimersByTimeAsync(0);
    },
  };
}

test("refresher - works at once when it was quiet, and once more for all requests that came meanwhile", async () => {
  const { work, started, finish } = heldWork();
  const refresher = new Refresher(work, 100);
  refresher.request();
  expect(started()).toBe(1);
  for (let i = 0; i < 10; i++) refresher.request();
  expect(started()).toBe(1);
  await finish();
  await vi.advanceTimersByTimeAsync(99);
  expect(started()).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(started()).toBe(2);
  await finish();
  await vi.advanceTimersByTimeAsync(1000);
  expect(started()).toBe(2);
});

test("refresher - never works after it was closed, not even for a request that waited", async () => {
  const { work, started, finish } = heldWork();
  const refresher = new Refresher(work, 100);
  refresher.request();
  refresher.request();
  refresher.close();
  await finish();
  await vi.advanceTimersByTimeAsync(1000);
  refresher.request();
  expect(started()).toBe(1);
});
