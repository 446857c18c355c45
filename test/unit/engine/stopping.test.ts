import { defineTool } from "signalbox";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { deferred } from "../../../runtime/core/deferred.ts";
import { Attempt } from "../../../runtime/engine/attempt.ts";
import { askAndThrow } from "../../support/asking.ts";
import { HELD, TestEngine, typesOf } from "../../support/engine.ts";
import { claimant } from "../../support/journal.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";

const CANCEL = {
  id: "c",
  kind: "cancel",
  data: { by: { kind: "person", id: "olga" }, reason: "Wrong claim." },
} as const;
const input = z.object({ id: z.string() });

/** A tool that stays in its call until its signal aborts, and then throws or does not care. */
function slow(effect: "read" | "idempotent" | "irreversible", obeys: boolean, found?: "made" | "not made") {
  const called = deferred<undefined>();
  const end = deferred<undefined>();
  const tool = defineTool({
    name: "slow",
    effect,
    input,
    output: input,
    run: async ({ id }, { signal }) => {
      called.resolve(undefined);
      if (!obeys) await end.promise;
      else {
        await new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            reject(new Error("cut off"));
          });
        });
      }
      return { id };
    },
    ...(found === undefined
      ? {}
      : {
          reconcile: ({ id }: { id: string }, { signal }: { readonly signal: AbortSignal }) => {
            // As one that passes its signal on to fetch.
            signal.throwIfAborted();
            return found === "made" ? { id: `${id}, found` } : null;
          },
        }),
  });
  return { tool, called, end };
}

/** An attempt that is cancelled while its call is under way; and what the run then is. */
async function cancelledInMidCall(one: ReturnType<typeof slow>) {
  const engine = new TestEngine({ limits: { leaseMs: 0 } });
  const heard: unknown[] = [];
  const agent = oneNode({ slow: one.tool }, async ({ tools }) => {
    try {
      heard.push(await tools.slow({ id: "a" }));
    } catch (error) {
      heard.push(error);
    }
    return "went on";
  });
  const compiled = engine.compile(agent);
  const run = await engine.create(agent, {});
  const [claim] = await engine.journal.claim([run], claimant("w"));
  if (!claim) throw new Error("It cannot be claimed.");
  const attempt = await Attempt.open(claim, engine.services, null);
  const running = attempt.run(compiled);
  await one.called.promise;
  await engine.journal.deliver(run, CANCEL);
  await attempt.lookForCancel();
  one.end.resolve(undefined);
  return { engine, compiled, run, status: await running, heard };
}

describe("a run that is cancelled while a call is under way", () => {
  test("of a tool that obeys its signal, and may be repeated - ends with the call's end on record", async () => {
    const { engine, run, status, heard } = await cancelledInMidCall(slow("idempotent", true));
    expect(status).toBe("cancelled");
    expect(heard).toEqual([]);
    const events = await engine.events(run);
    expect(typesOf(events)).toEqual([
      "run_started",
      "effect_intended",
      "cancel_requested",
      "effect_finished",
      "run_cancelled",
    ]);
    // It may have happened: to say only that it failed would be untrue.
    expect(events.at(-2)?.data).toMatchObject({
      outcome: { ok: false, error: { code: "CALL_CUT_OFF", message: expect.stringContaining("cut off") as string } },
    });
    expect(events.at(-1)?.data).toMatchObject({ by: { id: "olga" }, reason: "Wrong claim." });
  });

  test("just as its attempt begins - is asked for in that attempt, and not before it", async () => {
    const engine = new TestEngine();
    const agent = oneNode({}, () => null);
    const run = await engine.create(agent, {});
    await engine.journal.deliver(run, CANCEL);
    const [claim] = await engine.journal.claim([run], claimant("w"));
    if (!claim) throw new Error("It cannot be claimed.");
    const attempt = await Attempt.open(claim, engine.services, null);
    // As a sweep does at any time.
    await attempt.lookForCancel();
    expect(await attempt.run(engine.compile(agent))).toBe("cancelled");
    expect((await engine.events(run)).map(({ type }) => type)).toEqual([
      "run_started",
      "attempt_started",
      "cancel_requested",
      "run_cancelled",
    ]);
  });

  test("of a tool whose listener throws - ends all the same, and the worker with its other runs lives on", async () => {
    const called = deferred<undefined>();
    const tool = defineTool({
      name: "slow",
      effect: "idempotent",
      input,
      output: input,
      run: (_, { signal }) => {
        called.resolve(undefined);
        return new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            reject(new Error("cut off"));
            // Uncaught, it would end the process: here, the test run.
            throw new Error("The clean-up failed.");
          });
        });
      },
    });
    const { engine, status } = await cancelledInMidCall({ tool, called, end: deferred() } as never);
    expect(status).toBe("cancelled");
    expect(engine.trouble).toEqual(["a listener of a call's abort signal threw"]);
  });

  test("of a tool that does not care - waits for its end, which is recorded", async () => {
    const { engine, run, status } = await cancelledInMidCall(slow("irreversible", false));
    expect(status).toBe("cancelled");
    const ended = (await engine.events(run)).find(({ type }) => type === "effect_finished");
    expect(ended?.data).toMatchObject({ outcome: { ok: true, value: { id: "a" } }, via: "call" });
  });

  test("irreversible, cut off, and found to have happened - ends with what it gave", async () => {
    const { engine, run, status } = await cancelledInMidCall(slow("irreversible", true, "made"));
    expect(status).toBe("cancelled");
    const ended = (await engine.events(run)).find(({ type }) => type === "effect_finished");
    expect(ended?.data).toMatchObject({ outcome: { ok: true, value: { id: "a, found" } }, via: "reconcile" });
  });

  test("irreversible, cut off, and found not to have happened - ends when nothing of it can still arrive", async () => {
    const { engine, compiled, run, status, heard } = await cancelledInMidCall(slow("irreversible", true, "not made"));
    expect(status).toBe("parked");
    engine.skip(29_000);
    expect(await engine.attempt(compiled, run)).toBe("parked");
    engine.skip(1_001);
    expect(await engine.attempt(compiled, run)).toBe("cancelled");
    expect(heard).toEqual([]);
    expect(typesOf(await engine.events(run))).toEqual([
      "run_started",
      "effect_intended",
      "cancel_requested",
      "run_parked",
      "run_parked",
      "effect_finished",
      "run_cancelled",
    ]);
  });

  test("irreversible, cut off, without reconcile - is not over before a person has said what became of it", async () => {
    const { engine, compiled, run, status } = await cancelledInMidCall(slow("irreversible", true));
    expect(status).toBe("parked");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ waits: [{ kind: "doubt" }] });
    expect(await engine.attempt(compiled, run)).toBe("parked");
    await engine.resolve(run, "happened", { id: "a" });
    expect(await engine.attempt(compiled, run)).toBe("cancelled");
  });
});

describe("a run that is cancelled while it waits", () => {
  test("for a decision - ends without the call, and the approval is void", async () => {
    const engine = new TestEngine({ say: () => HELD });
    const { called, pay } = notingTools();
    const agent = oneNode({ pay }, ({ tools }) => tools.pay({ id: "a" }));
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("parked");
    await engine.journal.deliver(run, CANCEL);
    await engine.journal.deliver(run, { ...CANCEL, id: "c2", data: { ...CANCEL.data, reason: "Again." } });
    expect(await engine.attempt(compiled, run)).toBe("cancelled");
    expect(called).toEqual([]);
    expect(engine.memory.views.map(({ view }) => view)).toContain("approvals_voided");
    const reasons = (await engine.events(run)).flatMap((event) =>
      event.type === "cancel_requested" ? [event.data.reason] : [],
    );
    expect(reasons).toEqual(["Wrong claim."]);
  });

  test("on a worker that does not have its agent - ends all the same", async () => {
    const engine = new TestEngine();
    const { pay } = notingTools();
    const agent = oneNode({ pay }, async ({ clock }) => clock.sleep(60_000));
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("parked");
    await engine.journal.deliver(run, CANCEL);
    const [claim] = await engine.journal.claim([run], claimant("w"));
    if (!claim) throw new Error("It cannot be claimed.");
    expect(await (await Attempt.open(claim, engine.services, null)).run(null)).toBe("cancelled");
  });
});

describe("a run with a deadline", () => {
  test("that passes while it waits - fails, and says so", async () => {
    const engine = new TestEngine({ say: () => HELD });
    const { called, pay } = notingTools();
    const agent = oneNode({ pay }, ({ tools }) => tools.pay({ id: "a" }));
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {}, { deadline: Date.now() + 10_000 });
    expect(await engine.attempt(compiled, run)).toBe("parked");
    expect(await engine.attempt(compiled, run)).toBe("parked");
    engine.skip(10_001);
    expect(await engine.attempt(compiled, run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ error: { code: "RUN_DEADLINE" } });
    expect(called).toEqual([]);
  });

  test("that passes in mid-call - cuts the call off, and fails when it is recorded", async () => {
    const one = slow("idempotent", true);
    const engine = new TestEngine();
    const agent = oneNode({ slow: one.tool }, ({ tools }) => tools.slow({ id: "a" }));
    const run = await engine.create(agent, {}, { deadline: Date.now() + 150 });
    expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
    const events = await engine.events(run);
    expect(typesOf(events)).toEqual(["run_started", "effect_intended", "effect_finished", "run_failed"]);
    expect(events.at(-1)?.data).toMatchObject({ error: { code: "RUN_DEADLINE" } });
  });
});

test("a run that fails while an ask is open - cancels the run that it asked", async () => {
  const engine = new TestEngine();
  const answers = oneNode({}, () => "never", "answers");
  const agent = askAndThrow(answers);
  const run = await engine.create(agent, {});
  expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
  const intended = (await engine.events(run)).find(({ type }) => type === "effect_intended");
  const child = intended?.type === "effect_intended" ? intended.data.child : undefined;
  const last = (await engine.events(run)).at(-1);
  expect(engine.memory.views.find(({ view }) => view === "child_cancelled")).toMatchObject({
    child,
    by: { kind: "agent", id: "asks" },
    cause: { run, seq: last?.seq, hash: last?.hash },
  });
});
