import { CallRefusedError, defineTool } from "signalbox";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { DENIED, HELD, TestEngine, typesOf, type Say } from "../../support/engine.ts";
import { oneNode } from "../../support/one-node.ts";

const LATER = { maxAttempts: 3, firstDelayMs: 10_000, maxDelayMs: 10_000 };
const SOON = { maxAttempts: 3, firstDelayMs: 20, maxDelayMs: 20 };

/** Rules that change while a run waits. */
function changingRules(first: Say = () => undefined) {
  let say = first;
  return {
    say: ((call) => say(call)) as Say,
    change: (next: Say) => {
      say = next;
    },
  };
}

/** A tool whose calls go as they are told to; when there is nothing more to tell, they go well. */
function toldTool(effect: "read" | "idempotent" | "irreversible", ...fates: ((engine: TestEngine) => void)[]) {
  const keys: string[] = [];
  return {
    keys,
    make: (engine: () => TestEngine, retry?: typeof LATER) =>
      defineTool({
        name: "told",
        effect,
        input: z.object({}),
        output: z.object({}),
        ...(retry ? { retry } : {}),
        run: (_, { effectId }) => {
          keys.push(effectId);
          fates.shift()?.(engine());
          return {};
        },
      }),
  };
}

const fails = (): void => {
  throw new Error("busy");
};
const crashes = (engine: TestEngine): void => {
  engine.memory.cut = () => true;
};

async function scene(
  tool: ReturnType<typeof toldTool>,
  rules: ReturnType<typeof changingRules>,
  retry?: typeof LATER,
  limits: { leaseMs?: number } = {},
) {
  const engine: TestEngine = new TestEngine({ say: rules.say, limits });
  const told = tool.make(() => engine, retry);
  const agent = oneNode({ told }, async ({ tools }) => {
    try {
      await tools.told({});
      return "made";
    } catch (error) {
      return error instanceof CallRefusedError ? "refused" : "failed";
    }
  });
  const run = await engine.create(agent, {});
  const compiled = engine.compile(agent);
  const output = async (): Promise<unknown> => {
    const last = (await engine.events(run)).at(-1);
    return last?.type === "run_finished" ? (last.data.output as { output: unknown }).output : last?.type;
  };
  return { engine, run, attempt: () => engine.attempt(compiled, run), output };
}

describe.each(["read", "idempotent"] as const)("a %s call that is tried again after a wait", (effect) => {
  test("whose rules have become stricter - is refused and not made", async () => {
    const tool = toldTool(effect, fails);
    const rules = changingRules();
    const { engine, run, attempt, output } = await scene(tool, rules, LATER);
    expect(await attempt()).toBe("parked");
    rules.change(() => DENIED);
    engine.skip(10_001);
    expect(await attempt()).toBe("finished");
    expect(await output()).toBe("refused");
    expect(tool.keys).toHaveLength(1);
    const refused = (await engine.events(run)).flatMap((event) =>
      event.type === "effect_refused" ? [event.data] : [],
    );
    expect(refused).toMatchObject([{ verdict: { decision: "deny", reason: DENIED.reason } }]);
  });

  test("whose rules become stricter within one attempt - is refused and not made", async () => {
    const rules = changingRules();
    const tool = toldTool(effect, () => {
      rules.change(() => DENIED);
      fails();
    });
    const { attempt, output } = await scene(tool, rules, SOON);
    expect(await attempt()).toBe("finished");
    expect(await output()).toBe("refused");
    expect(tool.keys).toHaveLength(1);
  });

  test("that people would now have to approve - is refused: it was made without them", async () => {
    const tool = toldTool(effect, fails);
    const rules = changingRules();
    const { engine, attempt, output } = await scene(tool, rules, LATER);
    expect(await attempt()).toBe("parked");
    rules.change(() => HELD);
    engine.skip(10_001);
    expect(await attempt()).toBe("finished");
    expect(await output()).toBe("refused");
    expect(tool.keys).toHaveLength(1);
  });

  test("that people have approved - stays approved, over any number of tries", async () => {
    const tool = toldTool(effect, fails, fails);
    const rules = changingRules((call) => (call.approval.satisfied ? undefined : HELD));
    const { engine, run, attempt, output } = await scene(tool, rules, LATER);
    expect(await attempt()).toBe("parked");
    await engine.decide(run, (await engine.held(run))[0], "approve");
    expect(await attempt()).toBe("parked");
    engine.skip(10_001);
    expect(await attempt()).toBe("parked");
    engine.skip(10_001);
    expect(await attempt()).toBe("finished");
    expect(await output()).toBe("made");
    expect(tool.keys).toHaveLength(3);
    expect(new Set(tool.keys).size).toBe(1);
  });

  test("that is allowed again - has the new rule set's word in its record", async () => {
    const tool = toldTool(effect, fails);
    const rules = changingRules();
    const { engine, run, attempt } = await scene(tool, rules, LATER);
    expect(await attempt()).toBe("parked");
    rules.change(() => ({ ruleSet: "rules-2" }));
    engine.skip(10_001);
    expect(await attempt()).toBe("finished");
    const ends = (await engine.events(run)).filter(
      ({ type }) => type === "effect_recorded" || type === "effect_finished",
    );
    expect(ends.map(({ data }) => data)).toMatchObject([{ verdict: { ruleSet: "rules-2" } }]);
  });
});

describe("a call that a crash cut off", () => {
  test("and that may be repeated - is repeated although the rules are stricter now: it may have happened", async () => {
    const tool = toldTool("idempotent", crashes);
    const rules = changingRules();
    const { engine, run, attempt, output } = await scene(tool, rules);
    expect(await attempt()).toBe("cut");
    engine.memory.cut = () => false;
    rules.change(() => DENIED);
    expect(await attempt()).toBe("finished");
    expect(await output()).toBe("made");
    expect(new Set(tool.keys).size).toBe(1);
    expect(typesOf(await engine.events(run))).not.toContain("effect_refused");
  });

  test("and that did not happen, as a person says - is judged again, and refused where the rules are stricter", async () => {
    const tool = toldTool("irreversible", crashes);
    const rules = changingRules();
    const { engine, run, attempt, output } = await scene(tool, rules, undefined, { leaseMs: 0 });
    expect(await attempt()).toBe("cut");
    engine.memory.cut = () => false;
    expect(await attempt()).toBe("parked");
    rules.change(() => DENIED);
    await engine.resolve(run, "did_not_happen");
    engine.skip(120_000);
    expect(await attempt()).toBe("finished");
    expect(await output()).toBe("refused");
    expect(tool.keys).toHaveLength(1);
    // Its one end.
    expect(typesOf(await engine.events(run))).not.toContain("effect_finished");
    expect(engine.memory.views).toContainEqual(expect.objectContaining({ view: "doubt_resolved" }));
  });

  test("and that did not happen, and had been approved - is made without asking people again", async () => {
    const tool = toldTool("irreversible", crashes);
    const rules = changingRules((call) => (call.approval.satisfied ? undefined : HELD));
    const { engine, run, attempt, output } = await scene(tool, rules, undefined, { leaseMs: 0 });
    expect(await attempt()).toBe("parked");
    await engine.decide(run, (await engine.held(run))[0], "approve");
    expect(await attempt()).toBe("cut");
    engine.memory.cut = () => false;
    expect(await attempt()).toBe("parked");
    await engine.resolve(run, "did_not_happen");
    engine.skip(120_000);
    expect(await attempt()).toBe("finished");
    expect(await output()).toBe("made");
    expect(tool.keys).toHaveLength(2);
  });
});
