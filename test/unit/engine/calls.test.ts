import { CallFailedError, CallRefusedError, defineTool, EffectOutsideNodeError } from "signalbox";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { deferred } from "../../../runtime/core/deferred.ts";
import { twice } from "../../support/called-twice.ts";
import { DENIED, TestEngine, typesOf } from "../../support/engine.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";

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
