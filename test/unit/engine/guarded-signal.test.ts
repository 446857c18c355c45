import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { guardListeners } from "../../../runtime/engine/guarded-signal.ts";

function scene() {
  const controller = new AbortController();
  const errors: unknown[] = [];
  guardListeners(controller.signal, (error) => errors.push((error as Error).message));
  return { controller, signal: controller.signal, errors };
}

describe("a guarded signal", () => {
  test("listeners that throw or reject - are reported, and the others hear of it all the same", async () => {
    const { controller, signal, errors } = scene();
    const heard: string[] = [];
    signal.addEventListener("abort", () => {
      throw new Error("thrown");
    });
    signal.addEventListener("abort", {
      handleEvent: () => {
        throw new Error("by an object");
      },
    });
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- just what is tested: a listener that rejects
    signal.addEventListener("abort", async () => {
      await Promise.resolve();
      throw new Error("rejected");
    });
    signal.onabort = () => {
      throw new Error("onabort");
    };
    signal.addEventListener("abort", () => heard.push("last"));
    controller.abort();
    await vi.waitFor(() => {
      expect(errors.sort()).toEqual(["by an object", "onabort", "rejected", "thrown"]);
    });
    expect(heard).toEqual(["last"]);
  });

  test("is a signal like any other - for options, for taking listeners off, and for Node itself", async () => {
    const { controller, signal, errors } = scene();
    const heard = vi.fn();
    const off = vi.fn();
    signal.addEventListener("abort", heard, { once: true });
    signal.addEventListener("abort", heard, { once: true });
    signal.addEventListener("abort", off);
    signal.removeEventListener("abort", off);
    signal.onabort = off;
    signal.onabort = null;
    const sleeping = delay(60_000, undefined, { signal });
    const waiting = once(signal, "abort");
    const any = AbortSignal.any([signal]);
    controller.abort();
    await expect(sleeping).rejects.toMatchObject({ name: "AbortError" });
    await waiting;
    expect(any.aborted).toBe(true);
    expect(signal).toBeInstanceOf(AbortSignal);
    expect(heard).toHaveBeenCalledTimes(1);
    expect(off).not.toHaveBeenCalled();
    expect(errors).toEqual([]);
  });
});
