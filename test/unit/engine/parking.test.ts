import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { CallRefusedError, defineAgent } from "signalbox";
import { describe, expect, test } from "vitest";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import { HELD, TestEngine, typesOf, type Say } from "../../support/engine.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";

const holdPay: Say = (call) => (call.action.startsWith("pay") && !call.approval.satisfied ? HELD : undefined);

function output(events: readonly JournalEvent[]): unknown {
  const last = events.at(-1);
  return last?.type === "run_finished" ? (last.data.output as { output: unknown }).output : last?.type;
}

describe("a call that is held", () => {
  test("try, catch and finally around it - nothing of them runs until it is decided", async () => {
    const { called, ...tools } = notingTools();
    const engine = new TestEngine({ say: holdPay });
    const noted: string[] = [];
    const agent = oneNode(tools, async ({ tools }) => {
      try {
        return (await tools.pay({ id: "p" })).id;
      } catch {
        noted.push("catch");
        await tools.put({ id: "fallback" });
        return "fallback";
      } finally {
        noted.push("finally");
        await tools.put({ id: "cleanup" });
      }
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.runOn(compiled, run)).toBe("parked");
    expect([called, noted]).toEqual([[], []]);
    // A wake for nothing changes nothing.
    expect(await engine.runOn(compiled, run)).toBe("parked");
    expect([called, noted]).toEqual([[], []]);
    const [held] = await engine.held(run);
    await engine.decide(run, held, "approve");
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect([called, noted]).toEqual([["p", "cleanup"], ["finally"]]);
    expect(output(await engine.events(run))).toBe("p");
  });

  test("a rejection - reaches the catch around it, once, with rule and reason", async () => {
    const { called, ...tools } = notingTools();
    const engine = new TestEngine({ say: holdPay });
    const agent = oneNode(tools, async ({ tools }) => {
      try {
        return (await tools.pay({ id: "p" })).id;
      } catch (error) {
        expect(error).toBeInstanceOf(CallRefusedError);
        return (error as CallRefusedError).reason;
      }
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    await engine.runOn(compiled, run);
    await engine.decide(run, (await engine.held(run))[0], "reject");
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(output(await engine.events(run))).toBe("olga rejected it: Because.");
    expect(called).toEqual([]);
  });

  test.each([
    ["race", "r"],
    ["any", "r"],
    ["allSettled", "fulfilled,fulfilled"],
  ] as const)(
    "Promise.%s around it - gives what it gives without waiting, and the node ends after it",
    async (way, expected) => {
      const { called, ...tools } = notingTools();
      const engine = new TestEngine({ say: holdPay });
      const agent = oneNode(tools, async ({ tools }) => {
        const both = [tools.pay({ id: "p" }), tools.read({ id: "r" })];
        if (way === "allSettled") return (await Promise.allSettled(both)).map(({ status }) => status).join();
        return (await (way === "race" ? Promise.race(both) : Promise.any(both))).id;
      });
      const compiled = engine.compile(agent);
      const run = await engine.create(agent, {});
      expect(await engine.runOn(compiled, run)).toBe("parked");
      await engine.decide(run, (await engine.held(run))[0], "approve");
      expect(await engine.runOn(compiled, run)).toBe("finished");
      const events = await engine.events(run);
      expect(output(events)).toBe(expected);
      expect(called).toEqual(["r", "p"]);
      expect(typesOf(events).slice(-3)).toEqual(["effect_finished", "node_finished", "run_finished"]);
    },
  );

  test.each([
    [["approve", "approve"], "p,q"],
    [["approve", "reject"], "p,refused"],
    [["reject", "approve"], "refused,q"],
    [["reject", "reject"], "refused,refused"],
  ] as const)("two in one node, decided %s in either order - each gets its own end", async (decisions, expected) => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { called, ...tools } = notingTools();
      const engine = new TestEngine({ say: holdPay });
      const agent = oneNode(tools, async ({ tools }) => {
        const settled = await Promise.allSettled([tools.pay({ id: "p" }), tools.pay2({ id: "q" })]);
        return settled.map((one) => (one.status === "fulfilled" ? one.value.id : "refused")).join();
      });
      const compiled = engine.compile(agent);
      const run = await engine.create(agent, {});
      await engine.runOn(compiled, run);
      const held = await engine.held(run);
      // Both are shown at once.
      expect(held.map(({ name }) => name)).toEqual(["pay", "pay2"]);
      for (const [i, which] of order.entries()) {
        await engine.decide(run, held[which], decisions[which] ?? "reject");
        expect(await engine.runOn(compiled, run)).toBe(i === 0 ? "parked" : "finished");
      }
      expect(output(await engine.events(run))).toBe(expected);
      expect([...called].sort()).toEqual(expected.split(",").filter((id) => id !== "refused"));
    }
  });

  test("one of two in Promise.all is rejected and the other approved at once - the approved call is made and recorded", async () => {
    const { called, ...tools } = notingTools();
    const engine = new TestEngine({ say: holdPay });
    const agent = oneNode(tools, ({ tools }) => Promise.all([tools.pay({ id: "p" }), tools.pay2({ id: "q" })]));
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    await engine.runOn(compiled, run);
    const [pay, pay2] = await engine.held(run);
    await engine.decide(run, pay2, "reject");
    await engine.decide(run, pay, "approve");
    expect(await engine.runOn(compiled, run)).toBe("failed");
    expect(called).toEqual(["p"]);
    expect(typesOf(await engine.events(run))).toEqual([
      "run_started",
      "effect_held",
      "effect_held",
      "run_parked",
      "approval_decided",
      "approval_decided",
      "effect_intended",
      "effect_refused",
      "effect_finished",
      "node_failed",
      "run_failed",
    ]);
  });

  test("beside a call that is under way - the other one ends and is recorded before the run parks", async () => {
    const { called, ...tools } = notingTools();
    const engine = new TestEngine({ say: holdPay });
    const agent = oneNode(tools, async ({ tools }) => {
      const later = async (): Promise<string> => {
        await tools.read({ id: "r1" });
        await tools.read({ id: "r2" });
        return "r";
      };
      const [paid, read] = await Promise.all([tools.pay({ id: "p" }), later()]);
      return paid.id + read;
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    await engine.runOn(compiled, run);
    expect(called).toEqual(["r1", "r2"]);
    await engine.decide(run, (await engine.held(run))[0], "approve");
    await engine.runOn(compiled, run);
    expect(called).toEqual(["r1", "r2", "p"]);
    expect(output(await engine.events(run))).toBe("pr");
  });

  test("in one parallel branch - the other branches settle, are recorded, and do not run again", async () => {
    const { called, ...tools } = notingTools();
    const bodies: string[] = [];
    const State = Annotation.Root({
      log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
    });
    const agent = defineAgent({
      name: "branches",
      state: State,
      tools,
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("pays", async () => {
            bodies.push("pays");
            return { log: [(await tools.pay({ id: "p" })).id] };
          })
          .addNode("slow", async () => {
            bodies.push("slow");
            const ids: string[] = [];
            for (const id of ["s1", "s2", "s3"]) ids.push((await tools.put({ id })).id);
            return { log: ids };
          })
          .addNode("plain", () => {
            bodies.push("plain");
            return { log: ["plain"] };
          })
          .addNode("end", ({ log }) => ({ log: [`${String(log.length)} seen`] }))
          .addEdge(START, "pays")
          .addEdge(START, "slow")
          .addEdge(START, "plain")
          .addEdge(["pays", "slow", "plain"], "end")
          .addEdge("end", END),
    });
    const engine = new TestEngine({ say: holdPay });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, { log: [] });
    expect(await engine.runOn(compiled, run)).toBe("parked");
    expect(called).toEqual(["s1", "s2", "s3"]);
    await engine.decide(run, (await engine.held(run))[0], "approve");
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(called).toEqual(["s1", "s2", "s3", "p"]);
    expect(bodies.sort()).toEqual(["pays", "pays", "plain", "slow"]);
    const last = (await engine.events(run)).at(-1);
    expect(last?.data).toEqual({ output: { log: ["p", "plain", "s1", "s2", "s3", "5 seen"] } });
  });

  test("decided while the attempt still runs - the run does not stay parked", async () => {
    const { called, ...tools } = notingTools();
    const engine = new TestEngine({ say: holdPay });
    let decideNow: () => Promise<void> = () => Promise.resolve();
    const agent = oneNode(tools, async ({ tools }) => {
      const other = async (): Promise<void> => {
        await tools.read({ id: "r1" });
        await decideNow();
        await tools.read({ id: "r2" });
      };
      await Promise.all([tools.pay({ id: "p" }), other()]);
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    decideNow = async () => {
      decideNow = () => Promise.resolve();
      await engine.decide(run, (await engine.held(run))[0], "approve");
    };
    expect(await engine.attempt(compiled, run)).toBe("ready");
    expect(await engine.attempt(compiled, run)).toBe("finished");
    expect(called).toEqual(["r1", "r2", "p"]);
  });

  test("the tool has a new version when it is approved - what was shown is not what would run, so it is refused", async () => {
    const { called, ...tools } = notingTools();
    const engine = new TestEngine({ say: holdPay });
    const first = oneNode(tools, ({ tools }) => tools.pay({ id: "p" }));
    const run = await engine.create(first, {});
    await engine.runOn(engine.compile(first), run);
    await engine.decide(run, (await engine.held(run))[0], "approve");
    const second = oneNode({ ...tools, pay: { ...tools.pay, version: "2" } }, ({ tools }) => tools.pay({ id: "p" }));
    expect(await engine.runOn(engine.compile(second), run)).toBe("failed");
    expect(called).toEqual([]);
    expect((await engine.events(run)).find(({ type }) => type === "effect_refused")?.data).toMatchObject({
      verdict: { fault: "args_mismatch" },
    });
  });

  test("the rules are stricter when it is approved - it is judged again and refused", async () => {
    const { called, ...tools } = notingTools();
    let strict = false;
    const engine = new TestEngine({
      say: (call) => (strict ? { decision: "deny", reason: "Not any more." } : holdPay(call)),
    });
    const agent = oneNode(tools, ({ tools }) => tools.pay({ id: "p" }));
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    await engine.runOn(compiled, run);
    await engine.decide(run, (await engine.held(run))[0], "approve");
    strict = true;
    expect(await engine.runOn(compiled, run)).toBe("failed");
    expect(called).toEqual([]);
  });
});
