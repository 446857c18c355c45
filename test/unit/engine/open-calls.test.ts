import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { CallFailedError, defineAgent, type AnyAgent } from "signalbox";
import { describe, expect, test } from "vitest";
import { TestEngine, typesOf } from "../../support/engine.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";
import { Bank, output, payTool, SOON, type Kind } from "../../support/paying-bank.ts";

function scene(effect: Kind, fates: Bank["fates"], reconcile?: "finds" | ((effectId: string) => unknown)) {
  const engine = new TestEngine({ limits: SOON });
  const bank = new Bank(engine, fates);
  const pay = payTool(bank, effect, reconcile === "finds" ? (id) => bank.find(id) : reconcile);
  const seen: unknown[] = [];
  const agent = oneNode({ pay }, async ({ tools }) => {
    try {
      return (await tools.pay({})).receipt;
    } catch (error) {
      seen.push(error);
      return error instanceof CallFailedError ? (error.error.code ?? error.error.name) : "?";
    }
  });
  const compiled = engine.compile(agent);
  return {
    engine,
    bank,
    seen,
    compiled,
    agent,
    start: async () => {
      const run = await engine.create(agent, {});
      const first = await engine.attempt(compiled, run);
      engine.memory.cut = () => false;
      return { run, first };
    },
  };
}

describe("a worker that dies between the start and the end of a call", () => {
  test.each(["read", "idempotent"] as const)("%s - is called again with the same key", async (effect) => {
    const { engine, bank, compiled, start } = scene(effect, ["after"]);
    const { run, first } = await start();
    expect(first).toBe("cut");
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(bank.paid).toHaveLength(2);
    expect(new Set(bank.paid).size).toBe(1);
  });

  test.each(["before", "after"] as const)(
    "irreversible with reconcile, %s it happened - happens exactly once",
    async (fate) => {
      const { engine, bank, compiled, start } = scene("irreversible", [fate], "finds");
      const { run, first } = await start();
      expect(first).toBe("cut");
      expect(await engine.runOn(compiled, run)).toBe("finished");
      expect(bank.paid).toHaveLength(1);
      const events = await engine.events(run);
      expect(output(events)).toBe(bank.paid[0]?.slice(0, 8));
      if (fate === "before") {
        const intended = events.find(({ type }) => type === "effect_intended");
        const repeated = events.find(({ type }) => type === "effect_repeated");
        // Not before anything that was started can still arrive: lease and timeout.
        expect((repeated?.at ?? 0) - (intended?.at ?? 0)).toBeGreaterThanOrEqual(SOON.leaseMs + 50);
      }
    },
  );

  test.each(["before", "after"] as const)(
    "irreversible without reconcile, %s it happened - waits for a person, whatever wakes it",
    async (fate) => {
      const { engine, bank, compiled, start } = scene("irreversible", [fate]);
      const { run } = await start();
      for (let i = 0; i < 3; i++) expect(await engine.runOn(compiled, run)).toBe("parked");
      expect(bank.calls).toBe(1);
      const events = await engine.events(run);
      expect(typesOf(events).filter((type) => type === "effect_doubted")).toHaveLength(1);
      expect(events.at(-1)?.data).toMatchObject({ waits: [{ kind: "doubt" }] });
      expect(engine.memory.views.filter(({ view }) => view === "doubt_raised")).toHaveLength(1);
    },
  );

  test("in doubt, and it happened - goes on with the result that the person gave", async () => {
    const { engine, bank, compiled, start } = scene("irreversible", ["after"]);
    const { run } = await start();
    await engine.runOn(compiled, run);
    await engine.resolve(run, "happened", { receipt: "from the bank's list" });
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(output(await engine.events(run))).toBe("from the bank's list");
    expect(bank.calls).toBe(1);
    expect((await engine.events(run)).find(({ type }) => type === "effect_finished")?.data).toMatchObject({
      via: "operator",
      by: { kind: "person", id: "olga" },
    });
  });

  test("in doubt, and a result that the tool could never give - is a failed call, and not made again", async () => {
    const { engine, bank, compiled, start } = scene("irreversible", ["after"]);
    const { run } = await start();
    await engine.runOn(compiled, run);
    await engine.resolve(run, "happened", { $type: "date", value: "1970" });
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(output(await engine.events(run))).toBe("INVALID_OUTPUT");
    expect(bank.calls).toBe(1);
  });

  test("in doubt, and given up - the agent is told so", async () => {
    const { engine, bank, compiled, start } = scene("irreversible", ["before"]);
    const { run } = await start();
    await engine.runOn(compiled, run);
    await engine.resolve(run, "give_up");
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(output(await engine.events(run))).toBe("CALL_GIVEN_UP");
    expect(bank.calls).toBe(1);
  });

  test("in doubt, did not happen, and the next worker dies too - is in doubt again and not called a third time", async () => {
    const { engine, bank, compiled, start } = scene("irreversible", ["before", "after"]);
    const { run } = await start();
    await engine.runOn(compiled, run);
    await engine.resolve(run, "did_not_happen");
    // The second call: the worker dies after it happened.
    let status = await engine.attempt(compiled, run);
    while (status !== "cut") status = await engine.attempt(compiled, run);
    engine.memory.cut = () => false;
    expect(bank.calls).toBe(2);
    for (let i = 0; i < 3; i++) expect(await engine.runOn(compiled, run)).toBe("parked");
    expect(bank.calls).toBe(2);
    await engine.resolve(run, "happened", { receipt: "found" });
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(bank.paid).toHaveLength(1);
  });

  test("in doubt and did not happen - is believed only when nothing can arrive any more", async () => {
    const { engine, compiled, start } = scene("irreversible", ["before"]);
    const { run } = await start();
    await engine.runOn(compiled, run);
    await engine.resolve(run, "did_not_happen");
    await engine.runOn(compiled, run);
    const events = await engine.events(run);
    const intended = events.find(({ type }) => type === "effect_intended");
    const repeated = events.find(({ type }) => type === "effect_repeated");
    expect((repeated?.at ?? 0) - (intended?.at ?? 0)).toBeGreaterThanOrEqual(SOON.leaseMs + 50);
    expect(repeated?.data).toMatchObject({ why: "operator" });
  });

  test("a reconcile that throws, or never comes back - leaves it in doubt", async () => {
    for (const reconcile of [
      () => Promise.reject(new Error("the bank does not answer")),
      () => new Promise(() => undefined),
      () => ({ receipt: 5 }),
    ]) {
      const { engine, bank, compiled, start } = scene("irreversible", ["after"], reconcile);
      const { run } = await start();
      expect(await engine.runOn(compiled, run)).toBe("parked");
      expect((await engine.events(run)).at(-1)?.data).toMatchObject({ waits: [{ kind: "doubt" }] });
      expect(bank.calls).toBe(1);
    }
  });
});

describe("an irreversible call that takes too long", () => {
  test("with reconcile - is found, and not made again", async () => {
    const { engine, bank, compiled, start } = scene("irreversible", ["hang"], "finds");
    const { run } = await start();
    await engine.runOn(compiled, run).catch(() => undefined);
    const events = await engine.events(run);
    expect(output(events)).toBe(bank.paid[0]?.slice(0, 8));
    expect(bank.calls).toBe(1);
  });

  test("without reconcile - is in doubt, not failed", async () => {
    const { engine, bank, start } = scene("irreversible", ["hang"]);
    const { run, first } = await start();
    expect(first).toBe("parked");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ waits: [{ kind: "doubt" }] });
    expect(bank.calls).toBe(1);
  });
});

describe("a run that fails while a call is open", () => {
  const State = Annotation.Root({ x: Annotation<unknown>() });

  /** Two nodes at once: one pays and dies with its worker, the other throws from the second attempt on. */
  function failing(reconcile: boolean) {
    const engine = new TestEngine({ limits: SOON });
    const bank = new Bank(engine, ["after"]);
    const pay = payTool(bank, "irreversible", reconcile ? (id) => bank.find(id) : undefined);
    const { read } = notingTools();
    let attempts = 0;
    const agent: AnyAgent = defineAgent({
      name: "fails",
      state: State,
      tools: { pay, read },
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("pays", async () => {
            if (attempts > 0) await new Promise(() => undefined);
            await tools.pay({});
            return {};
          })
          .addNode("throws", async () => {
            if (++attempts === 1) await new Promise(() => undefined);
            throw new Error("boom");
          })
          .addEdge(START, "pays")
          .addEdge(START, "throws")
          .addEdge("pays", END)
          .addEdge("throws", END),
    });
    return { engine, bank, compiled: engine.compile(agent), agent };
  }

  test("with reconcile - finds out what became of it before it ends", async () => {
    const { engine, bank, compiled, agent } = failing(true);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("cut");
    engine.memory.cut = () => false;
    expect(await engine.runOn(compiled, run)).toBe("failed");
    const events = await engine.events(run);
    expect(typesOf(events).slice(-3)).toEqual(["node_failed", "effect_finished", "run_failed"]);
    expect(bank.calls).toBe(1);
  });

  test("without reconcile - waits for a person before it ends", async () => {
    const { engine, bank, compiled, agent } = failing(false);
    const run = await engine.create(agent, {});
    await engine.attempt(compiled, run);
    engine.memory.cut = () => false;
    expect(await engine.runOn(compiled, run)).toBe("parked");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ waits: [{ kind: "doubt" }] });
    await engine.resolve(run, "did_not_happen");
    expect(await engine.runOn(compiled, run)).toBe("failed");
    const events = await engine.events(run);
    expect(events.at(-1)?.data).toMatchObject({ error: { message: "boom" } });
    expect(events.filter(({ type }) => type === "effect_finished").at(-1)?.data).toMatchObject({
      outcome: { ok: false, error: { code: "CALL_NOT_MADE" } },
      by: { id: "olga" },
    });
    expect(bank.calls).toBe(1);
  });

  test("while another node is still replayed - does not wait for it", async () => {
    const engine = new TestEngine({ limits: { ...SOON, replayStallMs: 60_000 } });
    const bank = new Bank(engine, ["after"]);
    const pay = payTool(bank, "irreversible", (id) => bank.find(id));
    const { read } = notingTools();
    let attempts = 0;
    const agent: AnyAgent = defineAgent({
      name: "fails",
      state: State,
      tools: { pay, read },
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("pays", async () => {
            for (const id of ["1", "2", "3", "4", "5"]) await tools.read({ id });
            await Promise.all([tools.read({ id: "6" }), tools.pay({})]);
            return {};
          })
          .addNode("throws", async () => {
            if (++attempts === 1) await new Promise(() => undefined);
            throw new Error("boom");
          })
          .addEdge(START, "pays")
          .addEdge(START, "throws")
          .addEdge("pays", END)
          .addEdge("throws", END),
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("cut");
    engine.memory.cut = () => false;
    expect(await engine.runOn(compiled, run)).toBe("failed");
    const events = await engine.events(run);
    expect(events.at(-1)?.data).toMatchObject({ error: { message: "boom" } });
    expect(events.findLast(({ type }) => type === "effect_finished")?.data).toMatchObject({ via: "reconcile" });
    expect(bank.calls).toBe(1);
  });

  test("because its code changed - the open call is not forgotten", async () => {
    const { engine, bank, compiled, start } = scene("irreversible", ["after"]);
    const { run } = await start();
    expect(await engine.runOn(compiled, run)).toBe("parked");
    const changed = engine.compile(oneNode({}, () => "something else"));
    expect(await engine.attempt(changed, run)).toBe("parked");
    await engine.resolve(run, "give_up");
    expect(await engine.runOn(changed, run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ error: { code: "NON_DETERMINISM" } });
    expect(bank.calls).toBe(1);
  });
});
