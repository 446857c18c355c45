import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineTool } from "signalbox";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { deferred } from "../../../runtime/core/deferred.ts";
import { Attempt } from "../../../runtime/engine/attempt.ts";
import { TestEngine, typesOf } from "../../support/engine.ts";
import { claimant } from "../../support/journal.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";

const State = Annotation.Root({ out: Annotation<string>() });
const input = z.object({ id: z.string() });
const OTHER = { of: "narrow", run: "other", effect: "e" };

/** How many timers the process has that keep it alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
}

test("a call in doubt in a graph whose failure the code around makes good - keeps the run from finishing", async () => {
  const engine = new TestEngine();
  const late = deferred<{ id: string }>();
  const doubted = deferred<undefined>();
  const pay = defineTool({
    name: "pay",
    effect: "irreversible",
    input,
    output: input,
    timeoutMs: 20,
    run: (_, { signal }) => {
      signal.addEventListener("abort", () => {
        doubted.resolve(undefined);
      });
      return late.promise;
    },
  });
  const agent = defineAgent({
    name: "outer",
    state: State,
    tools: { pay },
    graph: ({ tools }) => {
      const inner = new StateGraph(State)
        .addNode("pays", async () => ({ out: (await tools.pay({ id: "a" })).id }))
        .addNode("fails", async () => {
          await doubted.promise;
          throw new Error("This branch fails.");
        })
        .addEdge(START, "pays")
        .addEdge(START, "fails")
        .addEdge("pays", END)
        .addEdge("fails", END)
        .compile();
      return new StateGraph(State)
        .addNode("outer", async () => {
          await inner.invoke({}).catch(() => undefined);
          return { out: "went on" };
        })
        .addEdge(START, "outer")
        .addEdge("outer", END);
    },
  });
  const compiled = engine.compile(agent);
  const run = await engine.create(agent, {});
  expect(await engine.attempt(compiled, run)).toBe("parked");
  expect((await engine.events(run)).at(-1)?.data).toMatchObject({ waits: [{ kind: "doubt" }] });
  await engine.resolve(run, "happened", { id: "a" });
  expect(await engine.attempt(compiled, run)).toBe("finished");
  expect((await engine.events(run)).at(-1)?.data).toMatchObject({ output: { out: "went on" } });
});

describe("what waits for a time in a node that fails", () => {
  test("a sleep - leaves no timer behind", async () => {
    const engine = new TestEngine();
    const agent = oneNode({}, async ({ clock }) => {
      void clock.sleep(86_400_000);
      await clock.now();
      throw new Error("The node fails.");
    });
    const compiled = engine.compile(agent);
    const before = timers();
    for (let i = 0; i < 5; i++) {
      const run = await engine.create(agent, {});
      expect(await engine.attempt(compiled, run)).toBe("failed");
    }
    await expect.poll(timers).toBeLessThanOrEqual(before);
  });

  test("a call that has not had its turn - is not made when its turn would come", async () => {
    const engine = new TestEngine();
    const { called, pay } = notingTools();
    const narrow = { ...pay, name: "narrow", concurrency: 1 };
    await engine.services.turns.take(OTHER, 1, 60_000);
    const agent = oneNode({ narrow }, async ({ tools, clock }) => {
      void tools.narrow({ id: "a" });
      await clock.now();
      throw new Error("The node fails.");
    });
    const before = timers();
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
    await engine.services.turns.give(OTHER);
    // Nothing is left that could make it.
    await expect.poll(timers).toBeLessThanOrEqual(before);
    expect(called).toEqual([]);
    expect(typesOf(await engine.events(run))).toEqual(["run_started", "effect_recorded", "node_failed", "run_failed"]);
  });
});

test("a sleep that has lost a race - does not hold the node up", async () => {
  const engine = new TestEngine();
  const { read } = notingTools();
  const agent = oneNode({ read }, ({ tools, clock }) =>
    Promise.race([tools.read({ id: "quick" }), clock.sleep(3_600_000)]),
  );
  const compiled = engine.compile(agent);
  const run = await engine.create(agent, {});
  engine.memory.cut = (events) => events.some(({ type }) => type === "node_finished");
  expect(await engine.attempt(compiled, run)).toBe("cut");
  engine.memory.cut = () => false;
  expect(await engine.attempt(compiled, run)).toBe("finished");
  expect((await engine.events(run)).at(-1)?.data).toMatchObject({ output: { output: { id: "quick" } } });
});

describe("a turn", () => {
  /** True once somebody else can have it. */
  const isFree = (engine: TestEngine) => () => engine.services.turns.take(OTHER, 1, 60_000);

  test("of a call that parks to be tried again - is given back", async () => {
    const engine = new TestEngine();
    const narrow = defineTool({
      name: "narrow",
      effect: "idempotent",
      input,
      output: input,
      concurrency: 1,
      retry: { maxAttempts: 2, firstDelayMs: 600_000, maxDelayMs: 600_000 },
      run: () => {
        throw new Error("no");
      },
    });
    const agent = oneNode({ narrow }, ({ tools }) => tools.narrow({ id: "a" }));
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("parked");
    await expect.poll(isFree(engine)).toBe(true);
  });

  test.each(["read", "idempotent", "irreversible"] as const)(
    "of a %s call whose attempt is cut off - is given back when the call has come back",
    async (effect) => {
      const engine = new TestEngine();
      const called = deferred<undefined>();
      const narrow = defineTool({
        name: "narrow",
        effect,
        input,
        output: input,
        concurrency: 1,
        run: (_, { signal }) => {
          called.resolve(undefined);
          return new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => {
              reject(new Error("cut off"));
            });
          });
        },
      });
      const agent = oneNode({ narrow }, ({ tools }) => tools.narrow({ id: "a" }));
      const run = await engine.create(agent, {});
      const [claim] = await engine.journal.claim([run], claimant("w"));
      if (!claim) throw new Error("It cannot be claimed.");
      const attempt = await Attempt.open(claim, engine.services, null);
      const running = expect(attempt.run(engine.compile(agent))).rejects.toThrow("The worker stops.");
      await called.promise;
      expect(await isFree(engine)()).toBe(false);
      attempt.abort(new Error("The worker stops."));
      await running;
      await expect.poll(isFree(engine)).toBe(true);
    },
  );
});
