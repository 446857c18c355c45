import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, type AnyAgent } from "signalbox";
import { describe, expect, test, vi } from "vitest";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import { HELD, TestEngine, type Say } from "../../support/engine.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";

const holdPay: Say = (call) => (call.action === "pay" && !call.approval.satisfied ? HELD : undefined);
const { called, ...tools } = notingTools();

function failure(events: readonly JournalEvent[]): { code?: string | undefined; message: string } {
  const last = events.at(-1);
  if (last?.type !== "run_failed") throw new Error(`The run ended with ${last?.type ?? "nothing"}.`);
  return last.data.error;
}

/** Runs the first code until it parks at a held call, then the second; gives what was called since and the error. */
async function changed(first: AnyAgent, second: AnyAgent, decide = true) {
  const engine = new TestEngine({ say: holdPay });
  const run = await engine.create(first, {});
  expect(await engine.runOn(engine.compile(first), run)).toBe("parked");
  called.splice(0);
  if (decide) await engine.decide(run, (await engine.held(run))[0], "approve");
  expect(await engine.runOn(engine.compile(second), run)).toBe("failed");
  return { error: failure(await engine.events(run)), calls: [...called] };
}

describe("code that changed while its run waited", () => {
  test("other arguments for the held call - are refused before anything is called, and both are named", async () => {
    const { error, calls } = await changed(
      oneNode(tools, ({ tools }) => tools.pay({ id: "p" })),
      oneNode(tools, ({ tools }) => tools.put({ id: "q" })),
    );
    expect(error.code).toBe("NON_DETERMINISM");
    expect(error.message).toContain('has pay with {"id":"p"} in its record');
    expect(error.message).toContain('asks for put with {"id":"q"} instead');
    expect(calls).toEqual([]);
  });

  test("a call before the recorded ones - is not made", async () => {
    const { error, calls } = await changed(
      oneNode(tools, async ({ tools }) => {
        await tools.read({ id: "r" });
        await tools.pay({ id: "p" });
      }),
      oneNode(tools, async ({ tools }) => {
        await tools.put({ id: "new" });
        await tools.read({ id: "r" });
        await tools.pay({ id: "p" });
      }),
    );
    expect(error.message).toContain('has read with {"id":"r"} in its record');
    expect(error.message).toContain('asks for put with {"id":"new"} instead');
    expect(calls).toEqual([]);
  });

  test("another order - is noticed, also where every call is in the record", async () => {
    const { error, calls } = await changed(
      oneNode(tools, async ({ tools }) => {
        await tools.read({ id: "1" });
        await tools.read({ id: "2" });
        await tools.pay({ id: "p" });
      }),
      oneNode(tools, async ({ tools }) => {
        await tools.read({ id: "2" });
        await tools.read({ id: "1" });
        await tools.pay({ id: "p" });
      }),
    );
    expect(error.message).toContain('has read with {"id":"1"} in its record');
    expect(error.message).toContain('asks for read with {"id":"2"} instead');
    expect(calls).toEqual([]);
  });

  test("a call that is not there any more - is missed, and named", async () => {
    const { error, calls } = await changed(
      oneNode(tools, async ({ tools }) => {
        await tools.read({ id: "r" });
        await tools.pay({ id: "p" });
      }),
      oneNode(tools, () => "nothing"),
    );
    expect(error.message).toContain('has read with {"id":"r"} in its record');
    expect(error.message).toContain("ended without asking for it");
    expect(calls).toEqual([]);
  });

  test("a body that now throws before the recorded call - says so, with its error", async () => {
    const { error } = await changed(
      oneNode(tools, ({ tools }) => tools.pay({ id: "p" })),
      oneNode(tools, () => {
        throw new TypeError("x is not a function");
      }),
    );
    expect(error.code).toBe("NON_DETERMINISM");
    expect(error.message).toContain("x is not a function");
  });

  test("a catch in the body - does not get hold of the divergence", async () => {
    const { error, calls } = await changed(
      oneNode(tools, ({ tools }) => tools.pay({ id: "p" })),
      oneNode(tools, async ({ tools }) => {
        try {
          await tools.put({ id: "q" });
        } catch {
          await tools.put({ id: "fallback" });
        }
      }),
    );
    expect(error.code).toBe("NON_DETERMINISM");
    expect(calls).toEqual([]);
  });

  test("a node with another name - calls nothing while the old one's call is open", async () => {
    const State = Annotation.Root({ output: Annotation<unknown>() });
    const named = (name: string): AnyAgent =>
      defineAgent({
        name: "renamed",
        state: State,
        tools,
        graph: ({ tools }) =>
          new StateGraph(State)
            .addNode(name, async () => {
              await tools.put({ id: "before" });
              return { output: await tools.pay({ id: "p" }) };
            })
            .addEdge(START, name)
            .addEdge(name, END) as never,
      });
    const { error, calls } = await changed(named("old"), named("new"));
    expect(error.message).toContain("The node 1/old of renamed has put");
    expect(calls).toEqual([]);
  });

  test("a graph that does not come by the recorded node any more - does not just finish", async () => {
    const State = Annotation.Root({ output: Annotation<unknown>() });
    const going = (to: "pays" | "idles"): AnyAgent =>
      defineAgent({
        name: "moved",
        state: State,
        tools,
        graph: ({ tools }) =>
          new StateGraph(State)
            .addNode("pays", async () => ({ output: await tools.pay({ id: "p" }) }))
            .addNode("idles", () => ({ output: "idle" }))
            .addConditionalEdges(START, () => to, ["pays", "idles"])
            .addEdge("pays", END)
            .addEdge("idles", END),
      });
    const engine = new TestEngine({ say: holdPay });
    const run = await engine.create(going("pays"), {});
    await engine.runOn(engine.compile(going("pays")), run);
    // As if the route had never been recorded: a choice that is would be taken again.
    const events = engine.memory.runs.get(run)?.events ?? [];
    vi.spyOn(engine.memory, "read").mockResolvedValue(
      events.map((event) => (event.type === "route_taken" ? { ...event, data: { ...event.data, route: "?" } } : event)),
    );
    expect(await engine.attempt(engine.compile(going("idles")), run)).toBe("failed");
    vi.restoreAllMocks();
    const error = failure(await engine.events(run));
    expect(error.code).toBe("NON_DETERMINISM");
    expect(error.message).toContain("The node 1/pays of moved has pay");
  });

  test("a further call beside the recorded ones - is no divergence", async () => {
    const engine = new TestEngine({ say: holdPay });
    const first = oneNode(tools, ({ tools }) => tools.pay({ id: "p" }));
    const run = await engine.create(first, {});
    await engine.runOn(engine.compile(first), run);
    await engine.decide(run, (await engine.held(run))[0], "approve");
    const second = oneNode(tools, ({ tools }) => Promise.all([tools.put({ id: "new" }), tools.pay({ id: "p" })]));
    called.splice(0);
    expect(await engine.runOn(engine.compile(second), run)).toBe("finished");
    expect([...called].sort()).toEqual(["new", "p"]);
  });

  test("a body that is only slow - is waited for, whatever else it asks for meanwhile", async () => {
    let slow = false;
    const engine = new TestEngine({ say: holdPay, limits: { replayStallMs: 300 } });
    let release: () => void = () => undefined;
    const agent = oneNode(tools, ({ tools }) =>
      Promise.all([
        (async () => {
          // Asks for something of its own while the other arm computes.
          if (slow)
            setTimeout(() => {
              release();
            }, 100);
          await tools.put({ id: slow ? "new" : "old" });
        })().catch(() => undefined),
        (async () => {
          if (slow)
            await new Promise<void>((resolve) => {
              release = resolve;
            });
          await tools.pay({ id: "p" });
        })(),
      ]),
    );
    const first = oneNode(tools, ({ tools }) => tools.pay({ id: "p" }));
    const run = await engine.create(first, {});
    await engine.runOn(engine.compile(first), run);
    await engine.decide(run, (await engine.held(run))[0], "approve");
    slow = true;
    expect(await engine.runOn(engine.compile(agent), run)).toBe("finished");
  });
});
