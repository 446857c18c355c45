import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { runProgram } from "../../../runtime/stack/run-program.ts";

test("a program - gives what it prints, and fails with the last that it said", async () => {
  expect(await runProgram("/bin/sh", ["-c", "echo one"])).toBe("one\n");
  await expect(runProgram("/bin/sh", ["-c", "echo why >&2; exit 3"])).rejects.toThrow("/bin/sh failed: why");
});

test("a program that is stopped - ends, and one that was stopped before is not started", async () => {
  const stop = new AbortController();
  const running = runProgram("/bin/sleep", ["600"], { signal: stop.signal, timeoutMs: 60_000 });
  stop.abort();
  await expect(running).rejects.toThrow("/bin/sleep failed");
  expect(getEventListeners(stop.signal, "abort")).toEqual([]);
  await expect(runProgram("/bin/sh", ["-c", "exit 0"], { signal: stop.signal })).rejects.toThrow("not started");
});
