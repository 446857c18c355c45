import { CallFailedError, defineTool, InvalidArgumentsError } from "signalbox";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { twice } from "../../support/called-twice.ts";
import { TestEngine, typesOf } from "../../support/engine.ts";
import { notingTools, oneNode, output } from "../../support/one-node.ts";

describe("a call", () => {
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
});
