import { defineTool } from "signalbox";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { deferred } from "../../../runtime/core/deferred.ts";
import { InvalidInputError } from "../../../runtime/core/errors.ts";
import type { MemoryStore } from "../../../runtime/core/memory.ts";
import { Attempt } from "../../../runtime/engine/attempt.ts";
import { DatabaseUnavailableError } from "../../../runtime/journal/errors.ts";
import { TestEngine, typesOf } from "../../support/engine.ts";
import { claimant } from "../../support/journal.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";

const input = z.object({ id: z.string() });

describe("a sleep", () => {
  test("parks the run, and is over by the clock of the database and no earlier", async () => {
    const engine = new TestEngine();
    const agent = oneNode({}, async ({ clock }) => {
      const before = await clock.now();
      await clock.sleep(60_000);
      return (await clock.now()) - before;
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("parked");
    engine.skip(50_000);
    expect(await engine.attempt(compiled, run)).toBe("parked");
    engine.skip(10_001);
    expect(await engine.attempt(compiled, run)).toBe("finished");
    const events = await engine.events(run);
    const output = events.at(-1)?.data as { output: { output: number } };
    expect(output.output.output).toBeGreaterThanOrEqual(60_000);
    expect(events.filter(({ type }) => type === "timer_set")).toHaveLength(1);
  });

  test("beside a call that takes longer - is over in its time, and the race is won the same way in a replay", async () => {
    const engine = new TestEngine();
    const slow = defineTool({
      name: "slow",
      effect: "read",
      input,
      output: input,
      run: async ({ id }) => new Promise((resolve) => setTimeout(resolve, 400, { id })),
    });
    const winners: string[] = [];
    const agent = oneNode({ slow }, async ({ tools, clock }) => {
      const winner = await Promise.race([
        tools.slow({ id: "call" }).then(() => "call"),
        clock.sleep(100).then(() => "sleep"),
      ]);
      winners.push(winner);
      await clock.sleep(30_000);
      return winner;
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("parked");
    engine.skip(30_001);
    expect(await engine.attempt(compiled, run)).toBe("finished");
    expect(winners).toEqual(["sleep", "sleep"]);
  });

  test.each([-1, 0.5, Number.NaN, 1e15])("of %d ms - is refused", async (ms) => {
    const engine = new TestEngine();
    const agent = oneNode({}, async ({ clock }) => clock.sleep(ms));
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ error: { code: "INVALID_ARGUMENTS" } });
  });
});

/** A tool that fails the first times. */
function failing(effect: "read" | "idempotent", times: number, retry: Parameters<typeof defineTool>[0]["retry"]) {
  const keys: string[] = [];
  const tool = defineTool({
    name: "flaky",
    effect,
    input,
    output: input,
    ...(retry ? { retry } : {}),
    run: ({ id }, { effectId }) => {
      keys.push(effectId);
      if (keys.length <= times) throw new Error(`no ${String(keys.length)}`);
      return { id };
    },
  });
  return { tool, keys };
}

describe("a tool with a retry", () => {
  test.each(["read", "idempotent"] as const)(
    "that is %s - is called again under the same key, and each failure is on record",
    async (effect) => {
      const engine = new TestEngine();
      const { tool, keys } = failing(effect, 2, { maxAttempts: 3, firstDelayMs: 20 });
      const agent = oneNode({ tool }, ({ tools }) => tools.tool({ id: "a" }));
      const run = await engine.create(agent, {});
      expect(await engine.attempt(engine.compile(agent), run)).toBe("finished");
      expect(keys).toHaveLength(3);
      expect(new Set(keys).size).toBe(1);
      const retried = (await engine.events(run)).flatMap((event) =>
        event.type === "effect_retried" ? [event.data] : [],
      );
      expect(retried).toMatchObject([
        { failures: 1, error: { message: "no 1" } },
        { failures: 2, error: { message: "no 2" } },
      ]);
    },
  );

  test("with a long delay - parks its run until then, and the failures before count", async () => {
    const engine = new TestEngine();
    const { tool, keys } = failing("idempotent", 3, { maxAttempts: 3, firstDelayMs: 10_000, factor: 2 });
    const agent = oneNode({ tool }, ({ tools }) => tools.tool({ id: "a" }));
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("parked");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ waits: [{ kind: "retry" }] });
    expect(await engine.attempt(compiled, run)).toBe("parked");
    expect(keys).toHaveLength(1);
    engine.skip(10_001);
    expect(await engine.attempt(compiled, run)).toBe("parked");
    expect(keys).toHaveLength(2);
    engine.skip(20_001);
    expect(await engine.attempt(compiled, run)).toBe("failed");
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
  });

  test("whose retryOn does not want the error - fails at once", async () => {
    const engine = new TestEngine();
    const { tool, keys } = failing("read", 1, {
      maxAttempts: 3,
      retryOn: (error) => (error as Error).message === "busy",
    });
    const agent = oneNode({ tool }, ({ tools }) => tools.tool({ id: "a" }));
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
    expect(keys).toHaveLength(1);
  });

  test("that may not be repeated - is not defined", () => {
    expect(() =>
      defineTool({
        name: "pay",
        effect: "irreversible",
        input,
        output: input,
        retry: { maxAttempts: 2 },
        run: (one) => one,
      }),
    ).toThrow(expect.objectContaining({ code: "INVALID_TOOL" }));
  });
});

describe("the memory, while its database is away", () => {
  /** An agent that remembers and recalls; the first call of each kind throws this. */
  function away(error: () => Error) {
    const asked: string[] = [];
    const ask = (what: string): void => {
      const first = !asked.includes(what);
      asked.push(what);
      if (first) throw error();
    };
    const memory: MemoryStore = {
      remember: (id) => Promise.resolve().then(() => ask(`remember ${id}`)),
      recall: () => Promise.resolve().then(() => (ask("recall"), [])),
    };
    const agent = oneNode({}, async (handles) => {
      await handles.memory.remember({ text: "It was there." });
      return handles.memory.recall({ query: "What was there?" });
    });
    return { asked, engine: new TestEngine({ handles: { memory } }), agent };
  }

  test("is asked again, under the same id", async () => {
    const { asked, engine, agent } = away(() => new DatabaseUnavailableError("Postgres cannot be reached."));
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("finished");
    expect(asked).toHaveLength(4);
    expect(new Set(asked).size).toBe(2);
  });

  test("is not, where it refuses what is asked", async () => {
    const { asked, engine, agent } = away(() => new InvalidInputError("A text holds the character U+0000."));
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
    expect(asked).toHaveLength(1);
  });
});

describe("a tool of which only so many calls are under way at once", () => {
  test("keeps to it over many runs, and all get their turn", async () => {
    const engine = new TestEngine();
    let under = 0;
    let most = 0;
    const tool = defineTool({
      name: "narrow",
      effect: "idempotent",
      input,
      output: input,
      concurrency: 2,
      run: async ({ id }) => {
        most = Math.max(most, ++under);
        await new Promise((resolve) => setTimeout(resolve, 20));
        under--;
        return { id };
      },
    });
    const agent = oneNode({ tool }, ({ tools }) => Promise.all(["a", "b", "c"].map((id) => tools.tool({ id }))));
    const compiled = engine.compile(agent);
    const runs = await Promise.all([1, 2, 3].map(() => engine.create(agent, {})));
    const statuses = await Promise.all(runs.map((run) => engine.runOn(compiled, run)));
    expect(statuses).toEqual(["finished", "finished", "finished"]);
    expect(most).toBe(2);
  });

  test("whose turns somebody else has - parks the run, which waits without a recorded start", async () => {
    const engine = new TestEngine();
    const { called, put } = notingTools();
    const agent = oneNode({ put: { ...put, concurrency: 1 } }, ({ tools }) => tools.put({ id: "a" }));
    const compiled = engine.compile(agent);
    const other = { of: "put", run: "other", effect: "e" };
    expect(await engine.services.turns.take(other, 1, 1000)).toBe(true);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("parked");
    expect(typesOf(await engine.events(run))).toEqual(["run_started", "run_parked"]);
    await engine.services.turns.give(other);
    expect(await engine.attempt(compiled, run)).toBe("finished");
    expect(called).toEqual(["a"]);
  });

  test("that is woken while something else keeps its node going - asks again at once", async () => {
    const engine = new TestEngine();
    const { called, put } = notingTools();
    const held = deferred<undefined>();
    const slow = defineTool({
      name: "slow",
      effect: "read",
      input: z.object({}),
      output: z.object({}),
      run: async () => {
        await held.promise;
        return {};
      },
    });
    const agent = oneNode({ put: { ...put, concurrency: 1 }, slow }, ({ tools }) =>
      Promise.all([tools.slow({}), tools.put({ id: "a" })]),
    );
    const other = { of: "put", run: "other", effect: "e" };
    await engine.services.turns.take(other, 1, 1000);
    const run = await engine.create(agent, {});
    const [claim] = await engine.journal.claim([run], claimant("w"));
    if (!claim) throw new Error("It cannot be claimed.");
    const attempt = await Attempt.open(claim, engine.services, null);
    const running = attempt.run(engine.compile(agent));
    // Until it asks no more by itself for a while.
    const asked = vi.spyOn(engine.services.turns, "take");
    await expect.poll(() => asked.mock.calls.length, { timeout: 5_000 }).toBe(5);
    await engine.services.turns.give(other);
    attempt.nodes.nudge();
    await expect.poll(() => called).toEqual(["a"]);
    held.resolve(undefined);
    expect(await running).toBe("finished");
  });
});
