import { afterEach, expect, test, vi } from "vitest";
import { Leases } from "../../../runtime/engine/leases.ts";
import { RunsUnderWay } from "../../../runtime/engine/runs-under-way.ts";

afterEach(() => {
  vi.useRealTimers();
});

test("a worker that is stopped while it starts - renews nothing afterwards", async () => {
  vi.useFakeTimers();
  const leases = new Leases({ limits: { leaseMs: 300 } } as never, new RunsUnderWay());
  await leases.stop();
  leases.start();
  expect(vi.getTimerCount()).toBe(0);
});
