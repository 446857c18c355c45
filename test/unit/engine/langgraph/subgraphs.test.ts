import { Annotation, Command, END, MemorySaver, Send, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineTool, type AnyAgent } from "signalbox";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { JournalEvent } from "../../../../runtime/core/events.ts";
import { deferred } from "../../../../runtime/core/deferred.ts";
import { TestEngine, type Say } from "../../../support/engine.ts";
import { teams } from "../../../support/langgraph/commands.ts";
import * as subgraphs from "../../../support/langgraph/subgraphs.ts";
import type { World } from "../../../support/langgraph/world.ts";
import { notingTools } from "../../../support/one-node.ts";
import { holdPay, ShapeRun, shapeAgent } from "../../../support/shapes.ts";

const { Log } = subgraphs;
type Shape = Parameters<typeof shapeAgent>[0];

function start(shape: Shape, say: Say = holdPay): Promise<ShapeRun> {
  return new ShapeRun((called) => shapeAgent(shape, { called }), { say }).start({});
}

function nodesOf(events: readonly JournalEvent[]): string[] {
  return events.flatMap((event) => (event.type === "node_finished" ? [event.data.node] : []));
}

describe("a handler of a node's errors", { timeout: 20_000 }, () => {
  test("of a node that throws while a call of its own waits - goes on, and nothing waits any more", async () => {
    const run = await start((world) =>
      new StateGraph(Log)
        .addNode("both", () => Promise.all([world.pay("p"), Promise.reject(new Error("boom"))]) as never, {
          errorHandler: async (_state, { error }) => ({ log: [await world.put(error.message)] }),
        })
        .addEdge(START, "both"),
    );
    expect(await run.go()).toBe("finished");
    expect(await run.output()).toEqual({ log: ["boom"] });
    expect(run.called).toEqual(["boom"]);
  });

  test("is not given what only another version of the agent can put right", async () => {
    const handled: string[] = [];
    const run = await start((world) =>
      new StateGraph(Log)
        .setNodeDefaults({ errorHandler: (_state, { node }) => ({ log: [handled.push(node).toString()] }) })
        .addNode("asks", async () => ({ log: [await world.pay(handled.length === 0 ? "first" : "other")] }))
        .addEdge(START, "asks"),
    );
    await run.go();
    handled.push("changed");
    expect(await run.go()).toBe("failed");
    expect(await run.output()).toMatchObject({ error: { code: "NON_DETERMINISM" } });
    expect(handled).toEqual(["changed"]);
  });
});

describe("a graph inside a node", { timeout: 20_000 }, () => {
  test("added as a node - has its nodes, supersteps and calls in the record under the node's key", async () => {
    const run = await start(subgraphs.sharedState);
    expect(await run.go()).toBe("parked");
    expect(nodesOf(await run.events())).toEqual(["1/before", "2/accounting|1/reads"]);
    const [held, ...others] = await run.engine.held(run.run);
    expect([held?.node, others]).toEqual(["2/accounting|2/pays", []]);
    // It waits once: the node around it waits for nobody itself.
    expect(await run.waits()).toEqual([{ kind: "approval", effect: held?.effect, approval: held?.approval }]);
    await run.engine.decide(run.run, held, "approve");
    expect(await run.go()).toBe("finished");
    expect(run.called).toEqual(["before", "r1", "p", "after"]);
    const events = await run.events();
    expect(nodesOf(events)).toEqual([
      "1/before",
      "2/accounting|1/reads",
      "2/accounting|2/pays",
      "2/accounting|3/sums",
      "2/accounting",
      "3/after",
    ]);
    const inner = events.flatMap((event) =>
      event.type === "superstep_finished" && event.data.graph !== "" ? [event.data] : [],
    );
    expect(inner.map(({ graph, step }) => `${graph}:${String(step)}`)).toEqual(
      [-1, 0, 1, 2, 3].map((step) => `2/accounting:${String(step)}`),
    );
  });

  test("three deep - has the keys of all nodes around it", async () => {
    const run = await start(subgraphs.threeDeep);
    await run.go();
    const [held] = await run.engine.held(run.run);
    expect(held?.node).toMatch(/^1\/first\|1\/second\|1\/third~[0-9a-f]{8}\|2\/pays$/);
    expect(await run.waits()).toHaveLength(1);
    expect(await run.finish()).toBe("finished");
    // No node ran twice to its end, and no call was made twice.
    const nodes = nodesOf(await run.events());
    expect(new Set(nodes).size).toBe(nodes.length);
    expect(new Set(run.called).size).toBe(run.called.length);
  });

  test("run by a node's function - runs its finished nodes once, whatever it waits for and whatever catches around it", async () => {
    const bodies: string[] = [];
    const inner = (world: World) =>
      new StateGraph(Log)
        .addNode("first", () => {
          bodies.push("first");
          return { log: ["first"] };
        })
        .addNode("pays", async () => ({ log: [await world.pay("p")] }))
        .addEdge(START, "first")
        .addEdge("first", "pays")
        .addEdge("pays", END)
        .compile();
    const run = await start((world) => {
      const graph = inner(world);
      return new StateGraph(Log)
        .addNode("function", async () => {
          try {
            return { log: (await graph.invoke({})).log };
          } catch {
            bodies.push("catch");
            return { log: ["caught"] };
          } finally {
            bodies.push("finally");
          }
        })
        .addEdge(START, "function")
        .addEdge("function", END);
    });
    expect(await run.go()).toBe("parked");
    expect(await run.go()).toBe("parked");
    expect(bodies).toEqual(["first"]);
    expect(await run.finish()).toBe("finished");
    expect(bodies).toEqual(["first", "finally"]);
    expect(await run.output()).toEqual({ log: ["first", "p"] });
  });

  test("streamed by a node's function - gives its chunks and waits like any other", async () => {
    const run = await start((world) => {
      const graph = subgraphs.accounting(world);
      return new StateGraph(Log)
        .addNode("streams", async () => {
          const log: string[] = [];
          for await (const chunk of await graph.stream({}, { streamMode: "updates" })) log.push(...Object.keys(chunk));
          return { log };
        })
        .addEdge(START, "streams")
        .addEdge("streams", END);
    });
    expect(await run.finish()).toBe("finished");
    expect(await run.output()).toEqual({ log: ["reads", "pays", "sums"] });
    expect(run.called).toEqual(["r0", "p"]);
  });

  test("beside a call that waits - both wait at once, and each may end first", async () => {
    for (const first of [0, 1]) {
      const run = await start((world) => {
        const graph = subgraphs.accounting(world);
        return new StateGraph(Log)
          .addNode("both", async () => {
            const [own, inner] = await Promise.all([world.pay("own"), graph.invoke({})]);
            return { log: [own, ...inner.log] };
          })
          .addEdge(START, "both")
          .addEdge("both", END);
      });
      expect(await run.go()).toBe("parked");
      const held = await run.engine.held(run.run);
      expect(held).toHaveLength(2);
      await run.engine.decide(run.run, held[first], "approve");
      expect(await run.go()).toBe("parked");
      await run.engine.decide(run.run, held[1 - first], "approve");
      expect(await run.go()).toBe("finished");
      expect(await run.output()).toEqual({ log: ["own", "r0", "p", "2 lines"] });
      expect(run.called.filter((id) => id === "own" || id === "p")).toHaveLength(2);
    }
  });

  test("several in one node at once - each finds its own record, in whatever order they come", async () => {
    const run = await start((world) => {
      const slow = new StateGraph(Log)
        .addNode("one", async () => ({ log: [await world.look("one")] }))
        .addNode("two", async () => ({ log: [await world.look("two")] }))
        .addNode("three", async () => ({ log: [await world.look("three")] }))
        .addEdge(START, "one")
        .addEdge("one", "two")
        .addEdge("two", "three")
        .compile();
      const pays = new StateGraph(Log)
        .addNode("pays", async ({ log }) => ({ log: [await world.pay(`for ${log.join()}`)] }))
        .addEdge(START, "pays")
        .compile();
      // Live, the call is quicker; from the record, the graph is.
      const afterGraph = async (): Promise<string[]> => {
        await slow.invoke({});
        return (await pays.invoke({ log: ["a"] })).log;
      };
      const afterCall = async (): Promise<string[]> => {
        await world.look("quick");
        return (await pays.invoke({ log: ["b"] })).log;
      };
      return new StateGraph(Log)
        .addNode("both", async () => ({ log: (await Promise.all([afterGraph(), afterCall()])).flat() }))
        .addEdge(START, "both");
    });
    expect(await run.finish()).toBe("finished");
    expect(await run.output()).toEqual({ log: ["a", "for a", "b", "for b"] });
    expect(run.called.filter((id) => id.startsWith("for")).sort()).toEqual(["for a", "for b"]);
  });

  test("one of its branches throws while a sibling's call runs - the call's end is recorded, and the error goes on", async () => {
    let [entered, thrown] = [deferred<undefined>(), deferred<undefined>()];
    const called: string[] = [];
    const io = z.object({ id: z.string() });
    const slow = defineTool({
      name: "slow",
      effect: "irreversible",
      input: io,
      output: io,
      run: async (input) => {
        called.push(input.id);
        entered.resolve(undefined);
        await thrown.promise;
        return input;
      },
    });
    const agent = (catches: boolean): AnyAgent =>
      defineAgent({
        name: "siblings",
        state: Log,
        tools: { slow },
        graph: ({ tools }) => {
          const inner = new StateGraph(Log)
            .addNode("slow", async () => {
              await tools.slow({ id: "s" });
              await tools.slow({ id: "never" });
              return {};
            })
            .addNode("throws", async () => {
              await entered.promise;
              setImmediate(() => {
                thrown.resolve(undefined);
              });
              throw new Error("boom");
            })
            .addEdge(START, "slow")
            .addEdge(START, "throws")
            .compile();
          return new StateGraph(Log)
            .addNode("around", async () => {
              if (!catches) return inner.invoke({});
              return { log: [await inner.invoke({}).then(String, (error: unknown) => (error as Error).message)] };
            })
            .addEdge(START, "around")
            .addEdge("around", END);
        },
      });
    for (const catches of [false, true]) {
      [entered, thrown] = [deferred<undefined>(), deferred<undefined>()];
      called.length = 0;
      const run = await new ShapeRun(() => agent(catches), { say: () => undefined }).start({});
      expect(await run.go()).toBe(catches ? "finished" : "failed");
      const events = await run.events();
      expect(events.filter(({ type }) => type === "effect_finished")).toHaveLength(1);
      expect(called).toEqual(["s"]);
      if (catches) expect(await run.output()).toEqual({ log: ["boom"] });
      else expect(await run.output()).toMatchObject({ error: { message: "boom" } });
    }
  });

  test("that fails while a call in it waits for people - the node around it goes on, and nothing waits any more", async () => {
    const run = await start((world) => {
      const inner = new StateGraph(Log)
        .addNode("pays", async () => ({ log: [await world.pay("p")] }))
        .addNode("throws", async () => {
          throw new Error(await world.look("boom"));
        })
        .addEdge(START, "pays")
        .addEdge(START, "throws")
        .compile();
      return new StateGraph(Log)
        .addNode("around", async () => ({
          log: [await inner.invoke({}).then(String, (error: unknown) => (error as Error).message)],
        }))
        .addNode("after", async () => ({ log: [await world.put("after")] }))
        .addEdge(START, "around")
        .addEdge("around", "after")
        .addEdge("after", END);
    });
    expect(await run.go()).toBe("finished");
    expect(await run.output()).toEqual({ log: ["boom", "after"] });
    expect(run.engine.memory.views.at(-1)).toEqual({ view: "approvals_voided" });
  });

  test("with a reducer that depends on chance - is found in fast-forward, and no code around it can catch that", async () => {
    const State = Annotation.Root({
      x: Annotation<number>({ reducer: (_, b) => b + Math.random(), default: () => 0 }),
    });
    const run = await start((world) => {
      const inner = new StateGraph(State)
        .addNode("roll", () => ({ x: 1 }))
        .addNode("pays", async () => {
          await world.pay("p");
          return {};
        })
        .addEdge(START, "roll")
        .addEdge("roll", "pays")
        .compile();
      return new StateGraph(Log)
        .addNode("around", async () => {
          try {
            await inner.invoke({});
          } catch {
            await world.put("fallback");
          }
          return {};
        })
        .addEdge(START, "around");
    });
    await run.go();
    for (const held of await run.engine.held(run.run)) await run.engine.decide(run.run, held, "approve");
    expect(await run.go()).toBe("failed");
    expect(await run.output()).toMatchObject({
      error: { code: "NON_DETERMINISM", message: expect.stringContaining("the graph inside 1/around~") as string },
    });
    expect(run.called).toEqual([]);
  });

  test("in a node that fails - is not heard any more, while the run goes on", async () => {
    const later = deferred<undefined>();
    const run = await start((world) => {
      const inner = new StateGraph(Log)
        .addNode("calls", async () => {
          await world.put("first");
          await later.promise;
          await world.put("never");
          return {};
        })
        .addEdge(START, "calls")
        .compile();
      return new StateGraph(Log)
        .addNode(
          "around",
          () => Promise.all([inner.invoke({}), world.look("boom").then(Promise.reject.bind(Promise))]) as never,
          {
            errorHandler: () => new Command({ goto: "after" }),
          },
        )
        .addNode("after", async () => {
          later.resolve(undefined);
          for (let i = 0; i < 5; i++) await world.put("after");
          return {};
        })
        .addEdge(START, "around");
    });
    expect(await run.go()).toBe("finished");
    expect(run.called.filter((id) => id === "never")).toEqual([]);
    expect(run.called.filter((id) => id === "after")).toHaveLength(5);
  });

  test("that sends a command to the graph around - has finished, and so has the node around it", async () => {
    const run = await start(teams, () => undefined);
    expect(await run.go()).toBe("finished");
    const events = await run.events();
    expect(nodesOf(events)).toEqual(expect.arrayContaining(["1/askers|2/hands-over", "1/askers", "2/payers"]));
    expect(events.filter(({ type }) => type === "node_failed")).toEqual([]);
    expect(await run.output()).toMatchObject({
      log: expect.arrayContaining(["case of hello", "closed both"]) as string[],
    });
  });

  test("not awaited by its node - is waited for all the same", async () => {
    const run = await start((world) => {
      const inner = subgraphs.accounting(world);
      return new StateGraph(Log)
        .addNode("around", () => {
          void inner.invoke({});
          return { log: ["at once"] };
        })
        .addEdge(START, "around");
    });
    expect(await run.go()).toBe("parked");
    expect(await run.finish()).toBe("finished");
    expect(run.called).toEqual(["r0", "p"]);
  });

  test("that a tool runs - is the tool's own business, and not in the record", async () => {
    const called: string[] = [];
    const inside = new StateGraph(Log)
      .addNode("inside", () => {
        called.push("inside");
        return { log: ["inside"] };
      })
      .addEdge(START, "inside")
      .compile();
    const io = z.object({ id: z.string() });
    const delegate = defineTool({
      name: "delegate",
      effect: "read",
      input: io,
      output: io,
      run: async () => ({ id: (await inside.invoke({})).log.join() }),
    });
    const agent = defineAgent({
      name: "delegates",
      state: Log,
      tools: { delegate },
      graph: ({ tools }) =>
        new StateGraph(Log)
          .addNode("asks", async () => ({ log: [(await tools.delegate({ id: "x" })).id] }))
          .addEdge(START, "asks"),
    });
    const run = await new ShapeRun(() => agent, { say: () => undefined }).start({});
    expect(await run.go()).toBe("finished");
    expect(await run.output()).toEqual({ log: ["inside"] });
    expect(nodesOf(await run.events())).toEqual(["1/asks"]);
    const supersteps = (await run.events()).flatMap((event) =>
      event.type === "superstep_finished" ? [`${event.data.graph}:${String(event.data.step)}`] : [],
    );
    expect(supersteps).toEqual([":-1", ":0", ":1"]);
  });

  test("that others use too - is left as it was, for two agents and outside of any", async () => {
    const { called, ...tools } = notingTools();
    const bodies: string[] = [];
    const shared = new StateGraph(Log)
      .addNode("works", ({ log }) => {
        bodies.push("works");
        return { log: [`after ${String(log.length)}`] };
      })
      .addConditionalEdges("works", ({ log }) => (log.length < 3 ? "works" : END))
      .addEdge(START, "works")
      .compile({ checkpointer: new MemorySaver() });
    const agent = (name: string): AnyAgent =>
      defineAgent({
        name,
        state: Log,
        tools,
        graph: ({ tools }) =>
          new StateGraph(Log)
            .addNode("shared", shared)
            .addNode("calls", async () => ({ log: [(await tools.put({ id: name })).id] }))
            .addEdge(START, "shared")
            .addEdge("shared", "calls"),
      });
    const engine = new TestEngine();
    const outputs: unknown[] = [];
    for (const name of ["one", "two"]) {
      const compiled = engine.compile(agent(name));
      const run = await engine.create(agent(name), {});
      const [status] = await Promise.all([
        engine.runOn(compiled, run),
        // In the same process and at the same time, by somebody else.
        shared
          .invoke({ log: ["else"] }, { configurable: { thread_id: name } })
          .then((state) => outputs.push(state.log)),
      ]);
      expect(status).toBe("finished");
    }
    expect(called).toEqual(["one", "two"]);
    expect(outputs).toEqual([
      ["else", "after 1", "after 2"],
      ["else", "after 1", "after 2"],
    ]);
    expect(bodies).toHaveLength(2 * (3 + 2));
    // Its own checkpointer has what it ran by itself, and nothing of the runs.
    expect((await shared.getState({ configurable: { thread_id: "one" } })).values).toEqual({
      log: ["else", "after 1", "after 2"],
    });
  });

  test("one of very many at once - warns of no leak, and every call is made once", async () => {
    const warnings: string[] = [];
    const warned = ({ name }: Error): number => warnings.push(name);
    process.on("warning", warned);
    const run = await start((world) => {
      const inner = subgraphs.accounting(world);
      return new StateGraph(Log)
        .addNode("one", async ({ log }) => ({ log: (await inner.invoke({ log })).log.slice(0, 1) }))
        .addNode("node", subgraphs.accounting(world))
        .addConditionalEdges(START, () => [
          ...Array.from({ length: 60 }, (_, i) => new Send("one", { log: [String(i)] })),
          ...Array.from({ length: 12 }, () => new Send("node", { log: [] })),
        ])
        .addEdge("one", END);
    });
    expect(await run.go()).toBe("parked");
    expect(await run.engine.held(run.run)).toHaveLength(72);
    expect(await run.finish()).toBe("finished");
    expect(run.called.filter((id) => id === "p")).toHaveLength(72);
    // Warnings come a turn later.
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", warned);
    expect(warnings).toEqual([]);
  });

  test("sent to by the graph around it - a command to nobody fails the run by name", async () => {
    const run = await start(() =>
      new StateGraph(Log)
        .addNode("lost", () => new Command({ graph: Command.PARENT, goto: new Send("lost", {}) }) as never)
        .addEdge(START, "lost"),
    );
    expect(await run.go()).toBe("failed");
    expect(await run.output()).toMatchObject({
      error: { code: "UNSUPPORTED_GRAPH", message: expect.stringContaining("Command.PARENT") as string },
    });
  });
});
