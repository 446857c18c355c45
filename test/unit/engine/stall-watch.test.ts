import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { StallWatch } from "../../../runtime/engine/stall-watch.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("stall watch", () => {
  test("something that stands still - is reported once, after the time", () => {
    const onStall = vi.fn();
    const watch = new StallWatch(1000, { stuck: () => true, onStall });
    watch.start();
    vi.advanceTimersByTime(999);
    expect(onStall).not.toHaveBeenCalled();
    vi.advanceTimersByTime(5000);
    expect(onStall).toHaveBeenCalledTimes(1);
  });

  test("something that moves now and then, or gets going by itself - is not reported", () => {
    let stuck = true;
    const onStall = vi.fn();
    const watch = new StallWatch(1000, { stuck: () => stuck, onStall });
    watch.start();
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(900);
      watch.moved();
    }
    stuck = false;
    vi.advanceTimersByTime(5000);
    expect(onStall).not.toHaveBeenCalled();
  });

  test("something that stands still while what would move it is at work - is reported only for the time after", () => {
    let busy = true;
    const onStall = vi.fn();
    const watch = new StallWatch(1000, { stuck: () => true, busy: () => busy, onStall });
    watch.start();
    vi.advanceTimersByTime(5000);
    expect(onStall).not.toHaveBeenCalled();
    busy = false;
    vi.advanceTimersByTime(900);
    expect(onStall).not.toHaveBeenCalled();
    vi.advanceTimersByTime(200);
    expect(onStall).toHaveBeenCalledTimes(1);
  });

  test("a process that stood still itself - is not taken for a stall", () => {
    vi.useRealTimers();
    const onStall = vi.fn();
    const watch = new StallWatch(100, { stuck: () => true, onStall });
    watch.start();
    const end = performance.now() + 300;
    while (performance.now() < end);
    return new Promise<void>((resolve) => setImmediate(() => setTimeout(resolve, 0))).then(() => {
      expect(onStall).not.toHaveBeenCalled();
      watch.stop();
    });
  });
});
