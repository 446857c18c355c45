import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import {
  CallFailedError,
  CallRefusedError,
  defineAgent,
  defineTool,
  EffectOutsideNodeError,
  InvalidArgumentsError,
} from "signalbox";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { deferred } from "../../../runtime/core/deferred.ts";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import { DENIED, HELD, TestEngine, typesOf, type EngineOptions } from "../../support/engine.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";

function output(events: readonly JournalEvent[]): unknown {
  const last = events.at(-1);
  if (last?.type !== "run_finished") throw new Error(JSON.stringify(last?.data));
  return (last.data.output as { output: unknown }).output;
}

const hold = defineTool({
  name: "hold",
  effect: "idempotent",
  input: z.object({}),
  output: z.object({}),
  run: () => ({}),
});

/**
 * Runs a body that ends with a held call, so that it runs twice: once live, once on recorded results. Gives
 * what the body noted in each attempt.
 */
async function twice(
  tools: Parameters<typeof oneNode>[0],
  body: (handles: never, note: (what: unknown) => void) => Promise<void>,
  options: EngineOptions = {},
) {
  const notes: unknown[][] = [];
  const engine = new TestEngine({
    say: (call) => (call.action === "hold" && !call.approval.satisfied ? HELD : undefined),
    ...options,
  });
  const agent = oneNode({ ...tools, hold }, async (handles) => {
    const noted: unknown[] = [];
    notes.push(noted);
    await body(handles as never, (what) => noted.push(what));
    await (handles.tools as { hold: (input: object) => Promise<object> }).hold({});
  });
  const compiled = engine.compile(agent);
  const run = await engine.create(agent, {});
  expect(await engine.runOn(compiled, run)).toBe("parked");
  await engine.decide(run, (await engine.held(run))[0], "approve");
  expect(await engine.runOn(compiled, run)).toBe("finished");
  expect(notes).toHaveLength(2);
  return { live: notes[0], replayed: notes[1], events: await engine.events(run) };
}

describe("a call", () => {
  test("that throws - throws the same error live and in replay", async () => {
    const boom = defineTool({
      name: "boom",
      effect: "idempotent",
      input: z.object({}),
      output: z.object({}),
      run: () => {
        throw Object.assign(new RangeError("too far \ud800"), { code: "E_FAR" });
      },
    });
    const { live, replayed } = await twice(
      { boom },
      async ({ tools }: { tools: { boom: (x: object) => Promise<object> } }, note) => {
        try {
          await tools.boom({});
        } catch (error) {
          expect(error).toBeInstanceOf(CallFailedError);
          const failed = error as CallFailedError;
          note([failed.name, failed.message, failed.code, failed.error, failed.details]);
        }
      },
    );
    expect(live).toEqual(replayed);
    expect(live).toEqual([
      [
        "CallFailedError",
        "The call of boom failed: too far \ufffd",
        "CALL_FAILED",
        { name: "RangeError", message: "too far \ufffd", code: "E_FAR" },
        { action: "boom", name: "RangeError", code: "E_FAR" },
      ],
    ]);
  });

  test.each([
    ["a string", "oops"],
    ["nothing", undefined],
    ["an error whose message is no text", Object.assign(new Error(), { message: { a: 1 } })],
    [
      "a proxy that throws",
      new Proxy(
        {},
        {
          get: () => {
            throw new Error("no");
          },
        },
      ),
    ],
    [
      "an error with details that are not JSON",
      Object.assign(new CallRefusedError("x", { ...DENIED, rules: [] } as never), { details: { n: NaN } }),
    ],
  ])("that throws %s - has a recorded end", async (_, thrown) => {
    const boom = defineTool({
      name: "boom",
      effect: "read",
      input: z.object({}),
      output: z.object({}),
      run: () => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- that is what is tested
        throw thrown;
      },
    });
    const { live, replayed } = await twice(
      { boom },
      async ({ tools }: { tools: { boom: (x: object) => Promise<object> } }, note) => {
        await tools.boom({}).catch((error: unknown) => {
          note((error as Error).message);
        });
      },
    );
    expect(live).toEqual(replayed);
    expect(live?.[0]).toMatch(/^The call of boom failed: /);
  });

  test("that returns what does not fit - did happen, is recorded, and fails with INVALID_OUTPUT", async () => {
    const odd = defineTool({
      name: "odd",
      effect: "irreversible",
      input: z.object({}),
      output: z.object({ n: z.int() }),
      run: () => ({ n: "five" }) as never,
    });
    const { live, replayed, events } = await twice(
      { odd },
      async ({ tools }: { tools: { odd: (x: object) => Promise<object> } }, note) => {
        await tools.odd({}).catch((error: unknown) => {
          note((error as CallFailedError).error.code);
        });
      },
    );
    expect([live, replayed]).toEqual([["INVALID_OUTPUT"], ["INVALID_OUTPUT"]]);
    expect(typesOf(events).filter((type) => type.startsWith("effect_"))).toEqual([
      "effect_intended",
      "effect_finished",
      "effect_held",
      "effect_intended",
      "effect_finished",
    ]);
  });

  test("with arguments that do not fit, or cannot be recorded - calls and records nothing", async () => {
    const called: unknown[] = [];
    const anything = defineTool({
      name: "anything",
      effect: "idempotent",
      input: z.any(),
      output: z.any(),
      run: (input) => {
        called.push(input);
      },
    });
    const { read } = notingTools();
    const engine = new TestEngine();
    const agent = oneNode({ read, anything }, async ({ tools }) => {
      const codes: unknown[] = [];
      const circle: Record<string, unknown> = {};
      circle["self"] = circle;
      for (const bad of [
        new Date(),
        new Map(),
        NaN,
        2 ** 60,
        "\ud800",
        { a: [undefined] },
        -0,
        1n,
        JSON.parse('{"__proto__":1}'),
        circle,
      ]) {
        await tools.anything(bad).catch((error: unknown) => codes.push(error instanceof InvalidArgumentsError));
      }
      await tools
        .read({ id: 5 } as never)
        .catch((error: unknown) => codes.push(error instanceof InvalidArgumentsError));
      return codes;
    });
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("finished");
    const events = await engine.events(run);
    expect(output(events)).toEqual(Array.from({ length: 11 }, () => true));
    expect(called).toEqual([]);
    expect(typesOf(events)).toEqual(["run_started", "node_finished", "run_finished"]);
  });

  test("that returns dates, maps, big numbers and nothing - gives the same in replay, down to the class", async () => {
    const rich = defineTool({
      name: "rich",
      effect: "read",
      input: z.object({}),
      output: z.any(),
      run: () => ({
        date: new Date(7),
        map: new Map([[1, { a: undefined }]]),
        big: 2n ** 70n,
        bytes: new Uint8Array([1]),
        zero: -0,
        nothing: undefined,
        $type: "date",
      }),
    });
    const none = defineTool({
      name: "none",
      effect: "read",
      input: z.object({}),
      output: z.any(),
      run: () => undefined,
    });
    const { live, replayed } = await twice(
      { rich, none },
      async ({ tools }: { tools: Record<"rich" | "none", (x: object) => Promise<unknown>> }, note) => {
        note(await tools.rich({}));
        note(await tools.none({}));
      },
    );
    expect(replayed).toStrictEqual(live);
    expect(live?.[0]).toMatchObject({ date: new Date(7), big: 2n ** 70n, $type: "date" });
  });

  test("that returns what cannot be recorded - fails, with its place", async () => {
    const bad = defineTool({
      name: "bad",
      effect: "read",
      input: z.object({}),
      output: z.any(),
      run: () => ({ deep: [() => 1] }),
    });
    const { live, replayed } = await twice(
      { bad },
      async ({ tools }: { tools: { bad: (x: object) => Promise<object> } }, note) => {
        await tools.bad({}).catch((error: unknown) => {
          note((error as CallFailedError).message);
        });
      },
    );
    expect(live).toEqual(replayed);
    expect(live?.[0]).toContain("/deep/0");
  });

  test("that changes its arguments - changes nothing of what is recorded", async () => {
    const rude = defineTool({
      name: "rude",
      effect: "read",
      input: z.object({ list: z.array(z.number()) }),
      output: z.any(),
      run: (input) => {
        input.list.push(666);
        return null;
      },
    });
    const { events } = await twice({ rude }, async ({ tools }: { tools: { rude: (x: object) => Promise<object> } }) => {
      await tools.rude({ list: [1] });
    });
    expect(events.find(({ type }) => type === "effect_recorded")?.data).toMatchObject({ input: { list: [1] } });
  });

  test("that takes longer than its time - is a failure for a read, and its signal aborts", async () => {
    let aborted = 0;
    const slow = defineTool({
      name: "slow",
      effect: "read",
      input: z.object({}),
      output: z.any(),
      timeoutMs: 20,
      run: (_, { signal }) =>
        new Promise(() => {
          signal.addEventListener("abort", () => aborted++);
        }),
    });
    const { live, replayed } = await twice(
      { slow },
      async ({ tools }: { tools: { slow: (x: object) => Promise<object> } }, note) => {
        await tools.slow({}).catch((error: unknown) => {
          note((error as CallFailedError).error.code);
        });
      },
    );
    expect([live, replayed]).toEqual([["CALL_TIMEOUT"], ["CALL_TIMEOUT"]]);
    expect(aborted).toBe(1);
  });

  test("of a handle by a tool - is refused: nothing would make it in a replay", async () => {
    const { called, read } = notingTools();
    let handle: (input: { id: string }) => Promise<unknown> = () => Promise.resolve();
    const outer = defineTool({
      name: "outer",
      effect: "read",
      input: z.object({}),
      output: z.unknown(),
      run: () => handle({ id: "inner" }),
    });
    const engine = new TestEngine();
    const agent = oneNode({ read, outer }, ({ tools }) => {
      handle = tools.read;
      return tools.outer({}).catch((error: unknown) => (error as CallFailedError).error.code);
    });
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("finished");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ output: { output: "EFFECT_OUTSIDE_NODE" } });
    expect(called).toEqual([]);
  });

  test("of a model whose question is changed meanwhile - sends what was judged and recorded", async () => {
    const sent: string[] = [];
    const chat = ({ prompt }: { prompt: string }): Promise<{ text: string }> => {
      sent.push(prompt);
      return Promise.resolve({ text: "ok" });
    };
    const engine = new TestEngine({ handles: { models: new Map([["m", { chat }]]) } });
    const agent = oneNode({}, async ({ models }) => {
      const question = { prompt: "as judged" };
      const answer = models.get("m")?.chat(question);
      question.prompt = "something else";
      await answer;
    });
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("finished");
    expect(sent).toEqual(["as judged"]);
  });

  test.each([Infinity, NaN, 0, -5, 1.5, 1e16])("with a timeoutMs of %s - cannot be declared", (timeoutMs) => {
    const input = z.object({});
    const declare = () => defineTool({ name: "t", effect: "read", input, output: input, timeoutMs, run: () => ({}) });
    expect(declare).toThrow("timeoutMs");
  });

  test("that nobody awaits - is recorded before the node ends", async () => {
    const { called, put, read } = notingTools();
    const engine = new TestEngine();
    const agent = oneNode({ put, read }, ({ tools }) => {
      void (async () => {
        await tools.put({ id: "1" });
        await tools.put({ id: "2" });
      })();
      void tools.read({ id: 3 } as never);
      return "done";
    });
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("finished");
    expect(called).toEqual(["1", "2"]);
    expect(typesOf(await engine.events(run))).toEqual([
      "run_started",
      "effect_intended",
      "effect_finished",
      "effect_intended",
      "effect_finished",
      "node_finished",
      "run_finished",
    ]);
  });

  test("after its node has ended - is refused, and not made", async () => {
    const { called, put } = notingTools();
    const engine = new TestEngine();
    let late: Promise<unknown> | undefined;
    const ended = deferred<undefined>();
    const agent = oneNode({ put }, ({ tools }) => {
      late = ended.promise.then(() => tools.put({ id: "late" }));
      late.catch(() => undefined);
      return "done";
    });
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("finished");
    ended.resolve(undefined);
    await expect(late).rejects.toBeInstanceOf(EffectOutsideNodeError);
    expect(called).toEqual([]);
  });

  test("of the same thing three times - is three calls, with three keys", async () => {
    const ids = new Set<string>();
    const put = defineTool({
      name: "put",
      effect: "idempotent",
      input: z.object({}),
      output: z.any(),
      run: (_, { effectId }) => {
        ids.add(effectId);
      },
    });
    const engine = new TestEngine();
    const agent = oneNode({ put }, ({ tools }) => Promise.all([tools.put({}), tools.put({}), tools.put({})]));
    const run = await engine.create(agent, {});
    await engine.runOn(engine.compile(agent), run);
    expect(ids.size).toBe(3);
  });

  test("the clock, chance and ids - are the same in replay", async () => {
    const { live, replayed } = await twice(
      {},
      async ({ clock }: { clock: { now: () => unknown; random: () => unknown; uuid: () => unknown } }, note) => {
        note([await clock.now(), await clock.random(), await clock.random(), await clock.uuid()]);
      },
    );
    expect(live).toEqual(replayed);
  });

  test("log - is silent while the record is replayed, and only then", async () => {
    const log = vi.fn();
    const { read } = notingTools();
    type Given = { tools: { read: (x: object) => Promise<object> }; log: { info: (text: string) => void } };
    await twice(
      { read },
      async ({ tools, log }: Given) => {
        log.info("1");
        await tools.read({ id: "r" });
        log.info("2");
      },
      {
        handles: {
          log: (_, message) => {
            log(message);
          },
        },
      },
    );
    expect(log.mock.calls.flat()).toEqual(["1", "2"]);
  });
});

describe("a failing node", () => {
  test.each([null, undefined])("that throws %s - says so, and not what LangGraph makes of it", async (thrown) => {
    const engine = new TestEngine();
    const agent = oneNode({}, () => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- that is what is tested
      throw thrown;
    });
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({
      error: { message: `A value that is not an Error was thrown: ${String(thrown)}.` },
    });
  });

  test("beside one in an irreversible call - the call's end is recorded before the run fails", async () => {
    let finish = (): void => undefined;
    let paid = false;
    const pay = defineTool({
      name: "pay",
      effect: "irreversible",
      input: z.object({}),
      output: z.any(),
      run: () =>
        new Promise<null>((resolve) => {
          finish = () => {
            paid = true;
            resolve(null);
          };
        }),
    });
    const { read } = notingTools();
    const State = Annotation.Root({ x: Annotation<unknown>() });
    const agent = defineAgent({
      name: "fails",
      state: State,
      tools: { pay, read },
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("pays", async () => {
            await tools.pay({});
            // Asked for after the other node has failed: not heard.
            await tools.read({ id: "late" });
            return {};
          })
          .addNode("throws", async () => {
            await tools.read({ id: "r" });
            throw new Error("boom");
          })
          .addEdge(START, "pays")
          .addEdge(START, "throws")
          .addEdge("pays", END)
          .addEdge("throws", END),
    });
    const engine = new TestEngine();
    engine.memory.cut = (events) => {
      // The call only comes back when the other node has failed, and LangGraph has given the run up.
      if (events.some(({ type }) => type === "node_failed"))
        setTimeout(() => {
          finish();
        }, 10);
      return false;
    };
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
    expect(paid).toBe(true);
    const events = await engine.events(run);
    expect(typesOf(events)).toEqual([
      "run_started",
      "effect_intended",
      "effect_recorded",
      "node_failed",
      "effect_finished",
      "run_failed",
    ]);
    expect(events.at(-1)?.data).toMatchObject({ error: { name: "Error", message: "boom" } });
  });

  test.each([
    ["a string", "oops", "oops"],
    ["a frozen error", Object.freeze(new Error("cold")), "cold"],
    ["null", null, ""],
  ])("that throws %s - fails the run with what can be read of it", async (_, thrown, message) => {
    const engine = new TestEngine();
    const agent = oneNode({}, () => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- that is what is tested
      throw thrown;
    });
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({
      error: { message: expect.stringContaining(message) as string },
    });
  });

  test("what a node returns and cannot be recorded - fails the run, with its place", async () => {
    for (const bad of [{ a: Symbol("x") }, { ["\ud800"]: 1 }]) {
      const engine = new TestEngine();
      const agent = oneNode({}, () => bad);
      const run = await engine.create(agent, {});
      expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
      expect((await engine.events(run)).at(-1)?.data).toMatchObject({ error: { code: "UNRECORDABLE_VALUE" } });
    }
  });
});
