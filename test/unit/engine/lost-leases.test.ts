import { defineTool } from "signalbox";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { Attempt } from "../../../runtime/engine/attempt.ts";
import { LeaseLostError } from "../../../runtime/engine/errors.ts";
import { TestEngine, typesOf } from "../../support/engine.ts";
import { claimant } from "../../support/journal.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";
import { Bank, payTool, SOON } from "../../support/paying-bank.ts";

describe("an attempt that has lost its lease", () => {
  test("calls nothing, records nothing, and its code hears nothing of it", async () => {
    const { called, ...tools } = notingTools();
    const engine = new TestEngine();
    const heard: unknown[] = [];
    const agent = oneNode(tools, async ({ tools }) => {
      await tools.read({ id: "r" });
      for (const call of [() => tools.put({ id: "put" }), () => tools.read({ id: "again" })]) {
        await call().catch((error: unknown) => heard.push(error));
      }
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    const [claim] = await engine.journal.claim([run], claimant("w"));
    if (!claim) throw new Error("The run cannot be claimed.");
    let leaseMs = Infinity;
    const services = {
      ...engine.services,
      clock: { now: Date.now, monotonicMs: () => (leaseMs === Infinity ? 0 : 1) },
    };
    const attempt = await Attempt.open({ ...claim, deadlineMs: 1 }, services, null);
    engine.memory.cut = (events) => {
      // The lease runs out while the first call is under way.
      if (events.some(({ type }) => type === "effect_recorded")) leaseMs = 0;
      return false;
    };
    await expect(attempt.run(compiled)).rejects.toBeInstanceOf(LeaseLostError);
    expect(called).toEqual(["r"]);
    expect(heard).toEqual([]);
  });

  test("a call that fails because its attempt was cut off - is not recorded as failed", async () => {
    const engine = new TestEngine({ limits: SOON });
    const bank = new Bank(engine, ["hang"]);
    const pay = { ...payTool(bank, "irreversible", (id) => bank.find(id)), timeoutMs: 5_000 };
    const agent = oneNode({ pay }, ({ tools }) => tools.pay({}));
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    const [claim] = await engine.journal.claim([run], claimant("w"));
    if (!claim) throw new Error("The run cannot be claimed.");
    const attempt = await Attempt.open(claim, engine.services, null);
    const running = attempt.run(compiled);
    while (bank.calls === 0) await new Promise((resolve) => setImmediate(resolve));
    attempt.abort(new LeaseLostError("lost"));
    await expect(running).rejects.toBeInstanceOf(LeaseLostError);
    expect(typesOf(await engine.events(run))).toEqual(["run_started", "effect_intended"]);
    await engine.journal.release(claim.head);
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(bank.paid).toHaveLength(1);
  });

  test("a result that comes after another worker has taken over - is refused, and the other's record stands", async () => {
    const engine = new TestEngine({ limits: SOON });
    const bank = new Bank(engine, []);
    let meanwhile: () => Promise<void> = () => Promise.resolve();
    const pay = defineTool({
      name: "pay",
      effect: "irreversible",
      input: z.object({}),
      output: z.object({ receipt: z.string() }),
      run: async (_, { effectId, signal }) => {
        const paid = await bank.pay(effectId, signal);
        await meanwhile();
        return paid;
      },
      reconcile: (_, { effectId }) => bank.find(effectId),
    });
    const agent = oneNode({ pay }, ({ tools }) => tools.pay({}));
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    let other: string | undefined;
    meanwhile = async () => {
      meanwhile = () => Promise.resolve();
      other = await engine.attempt(compiled, run);
    };
    expect(await engine.attempt(compiled, run)).toBe("cut");
    expect(other).toBe("finished");
    const events = await engine.events(run);
    expect(events.filter(({ type }) => type === "effect_finished")).toHaveLength(1);
    expect(events.find(({ type }) => type === "effect_finished")?.data).toMatchObject({ via: "reconcile" });
    expect(bank.paid).toHaveLength(1);
  });
});
