import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import fc from "fast-check";
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../../runtime/core/canonical.ts";
import { TestEngine } from "../../support/engine.ts";
import { answerTo, buildGraph, graph } from "../../support/graphs.ts";
import type { World } from "../../support/langgraph/world.ts";
import { bytesPerSuperstep, holdThePayment, longAgent, type Ran } from "../../support/long-run.ts";
import { factsOf } from "../../support/shapes.ts";
import { EACH, NONE, shapeRun, snapshotsOf, type Shape } from "../../support/snapshot-runs.ts";

const UNUSED = "a snapshot is not used: the whole record is read";

/** A long run that has parked before its payment. */
async function parkedRun(supersteps: number, limits: { readonly snapshotEvery?: number } = {}) {
  const engine = new TestEngine({ say: holdThePayment, limits });
  const ran: Ran[] = [];
  const agent = longAgent(supersteps, (node) => ran.push(node));
  const compiled = engine.compile(agent);
  const run = await engine.create(agent, { n: 0 });
  expect(await engine.attempt(compiled, run)).toBe("parked");
  ran.length = 0;
  /** How many events an attempt reads that begins now. */
  const eventsRead = async (): Promise<number> => {
    let read = 0;
    const { snapshots, memory } = engine;
    const all = memory.read.bind(memory);
    memory.read = async (of, after) => {
      const events = await all(of, after);
      read += events.length;
      return events;
    };
    const newest = snapshots.newest.bind(snapshots);
    snapshots.newest = async (head) => {
      const found = await newest(head);
      if (found.kind === "kept") read += found.snapshot.events.length + 1;
      return found;
    };
    expect(await engine.attempt(compiled, run)).toBe("parked");
    memory.read = all;
    snapshots.newest = newest;
    return read;
  };
  const finish = async (): Promise<unknown> => {
    await engine.decide(run, (await engine.held(run))[0], "approve");
    expect(await engine.runOn(compiled, run)).toBe("finished");
    const last = (await engine.events(run)).at(-1);
    return last?.type === "run_finished" ? last.data.output : null;
  };
  return { engine, compiled, run, ran, eventsRead, finish };
}

const LONG = 400;

describe("a run of 400 supersteps", { timeout: 60_000 }, () => {
  test("that wakes - reads what is new since its snapshot, and runs only the node that waits", async () => {
    const { engine, run, ran, eventsRead, finish } = await parkedRun(LONG);
    expect(snapshotsOf(await engine.events(run))).toEqual([99, 199, 299, 399]);
    // The superstep, the snapshot, a held call, the park; and what it was started with.
    expect(await eventsRead()).toBeLessThan(12);
    expect(ran).toEqual([{ step: LONG, length: LONG }]);
    expect(await finish()).toMatchObject({ n: LONG, receipt: String(LONG) });
  });

  test("whose snapshots are deleted - reads everything, runs only the node that waits, and comes to the same", async () => {
    const { engine, ran, eventsRead, finish } = await parkedRun(LONG);
    engine.memory.stored.clear();
    expect(await eventsRead()).toBeGreaterThan(4 * LONG);
    expect(ran).toEqual([{ step: LONG, length: LONG }]);
    expect(await finish()).toMatchObject({ n: LONG, receipt: String(LONG) });
  });

  test("every superstep - costs the same bytes, as long as the list may be that it appends to", async () => {
    const { engine, run } = await parkedRun(LONG);
    const bytes = bytesPerSuperstep(await engine.events(run));
    const [early, late] = [bytes[150] ?? 0, bytes[LONG - 50] ?? Infinity];
    expect(late).toBe(early);
  });

  test("snapshots - are the fewer, the larger the state is", async () => {
    const { engine, run } = await parkedRun(LONG, { snapshotEvery: 10 });
    const steps = snapshotsOf(await engine.events(run));
    const gaps = steps.slice(1).map((step, i) => step - (steps[i] ?? 0));
    expect(gaps[0]).toBe(10);
    expect(gaps.at(-1)).toBeGreaterThan(30);
  });

  test("that is fast-forwarded - leaves turns of the event loop to others", async () => {
    const { engine, compiled, run } = await parkedRun(LONG);
    engine.memory.stored.clear();
    let turns = 0;
    let going = true;
    const turn = (): void => {
      turns++;
      if (going) setImmediate(turn);
    };
    turn();
    expect(await engine.attempt(compiled, run)).toBe("parked");
    going = false;
    expect(turns).toBeGreaterThan(LONG / 20);
  });

  test("that ends - leaves no snapshot behind", async () => {
    const { engine, run, finish } = await parkedRun(LONG);
    expect(engine.memory.stored.has(run)).toBe(true);
    await finish();
    expect(engine.memory.stored.has(run)).toBe(false);
  });
});

const SHORT = 35;
const EVERY_10 = { snapshotEvery: 10 };

describe("a run that goes on", () => {
  test.each([
    { storeSnapshotEveryMs: 0, stores: 3 },
    { storeSnapshotEveryMs: Infinity, stores: 1 },
  ])(
    "stores what it took when the time has come ($storeSnapshotEveryMs ms), and the newest when it parks",
    async (limit) => {
      const engine = new TestEngine({ say: holdThePayment, limits: { ...EVERY_10, ...limit } });
      const stored: number[] = [];
      const keep = engine.snapshots.keep.bind(engine.snapshots);
      engine.snapshots.keep = async (run, seq, text) => {
        stored.push(seq);
        await keep(run, seq, text);
      };
      const agent = longAgent(SHORT);
      const run = await engine.create(agent, { n: 0 });
      expect(await engine.attempt(engine.compile(agent), run)).toBe("parked");
      const events = await engine.memory.read(run);
      const taken = events.filter(({ type }) => type === "snapshot_taken").map(({ seq }) => seq);
      expect(taken).toHaveLength(3);
      expect(stored).toEqual(taken.slice(-limit.stores));
    },
  );
});

describe("a snapshot that is not what the chain says", { timeout: 60_000 }, () => {
  const changes: Record<string, (run: Awaited<ReturnType<typeof parkedRun>>) => unknown> = {
    "another text": ({ engine, run }) => {
      const { seq, text } = engine.memory.stored.get(run) ?? { seq: 0, text: "" };
      engine.memory.stored.set(run, { seq, text: text.replaceAll("xx1", "xx7") });
    },
    "a place where no snapshot was taken": ({ engine, run }) => {
      const { seq, text } = engine.memory.stored.get(run) ?? { seq: 0, text: "" };
      engine.memory.stored.set(run, { seq: seq - 1, text });
    },
    "a place after the end": ({ engine, run }) => {
      const { text } = engine.memory.stored.get(run) ?? { text: "" };
      engine.memory.stored.set(run, { seq: 100_000, text });
    },
    "an event that names another one, and a text to fit": ({ engine, run }) => {
      const { seq, text } = engine.memory.stored.get(run) ?? { seq: 0, text: "" };
      const altered = text.replaceAll("xx1", "xx7");
      const event = engine.memory.runs.get(run)?.events[seq - 1];
      if (event?.type === "snapshot_taken") Object.assign(event.data, { hash: sha256(altered) });
      engine.memory.stored.set(run, { seq, text: altered });
    },
    "an altered event after it": ({ engine, run }) => {
      const held = engine.memory.runs.get(run)?.events.find(({ type }) => type === "effect_held");
      Object.assign(held?.data ?? {}, { pool: "anybody" });
    },
  };

  test.each(Object.entries(changes))("%s - is not used, and somebody is told", async (_, change) => {
    const parked = await parkedRun(SHORT, EVERY_10);
    change(parked);
    expect(await parked.eventsRead()).toBeGreaterThan(4 * SHORT);
    expect(parked.engine.trouble).toEqual([UNUSED]);
    expect(parked.ran).toEqual([{ step: SHORT, length: SHORT }]);
  });

  test("of another run - is not used", async () => {
    const [one, other] = [await parkedRun(SHORT, EVERY_10), await parkedRun(SHORT, EVERY_10)];
    const text = other.engine.memory.stored.get(other.run)?.text ?? "";
    // As whoever could also rewrite the chain would do it.
    one.engine.snapshots.newest = (head) => {
      const events = one.engine.memory.runs.get(head.run)?.events ?? [];
      const [first] = events;
      const seq = one.engine.memory.stored.get(one.run)?.seq ?? 0;
      if (!first) throw new Error("There is nothing.");
      return Promise.resolve({ kind: "kept", snapshot: { text, first, events: events.slice(seq - 2) } });
    };
    expect(await one.engine.attempt(one.compiled, one.run)).toBe("parked");
    expect(one.engine.trouble).toEqual([UNUSED]);
    expect(one.ran).toEqual([{ step: SHORT, length: SHORT }]);
  });

  test("of a graph with other channels - is not used", async () => {
    const parked = await parkedRun(SHORT, EVERY_10);
    const { compiled, engine, run } = parked;
    expect(await engine.attempt({ ...compiled, shape: "another" }, run)).toBe("parked");
    expect(engine.trouble).toEqual([UNUSED]);
  });

  test("is replaced at the next superstep, however long ago it was taken", async () => {
    const engine = new TestEngine({ limits: { snapshotEvery: 30 } });
    const agent = longAgent(60);
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, { n: 0 });
    let supersteps = 0;
    engine.memory.cut = (events) => events.some(({ type }) => type === "superstep_finished") && ++supersteps > 40;
    expect(await engine.attempt(compiled, run)).toBe("cut");
    engine.memory.stored.clear();
    engine.memory.cut = () => false;
    expect(await engine.attempt(compiled, run)).toBe("finished");
    const steps = snapshotsOf(await engine.events(run));
    expect(steps[0]).toBe(29);
    expect(steps[1]).toBeLessThan(45);
  });
});

test("random graphs, killed at random and with snapshots lost at random - are what they are without any", async () => {
  let used = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ weight: 4, arbitrary: graph(1) }, { weight: 1, arbitrary: graph(2) }),
      fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(4), { minLength: 1, maxLength: 20 }),
      fc.array(fc.constantFrom("there", "there", "lost", "late"), { minLength: 1, maxLength: 6 }),
      async (program, kills, latencies, fates) => {
        const run = randomUUID();
        const shape: Shape = (world) => buildGraph(program, world);
        const undisturbed = await shapeRun(shape, NONE, run).start({});
        expect(await undisturbed.finish(answerTo)).toBe("finished");

        let asked = 0;
        const killed = await shapeRun(shape, EACH, run, () => latencies[asked++ % latencies.length] ?? 0).start({});
        const { memory, snapshots } = killed.engine;
        let [epoch, append] = [0, 0];
        memory.cut = (_, { epoch: now }) => {
          append = now === epoch ? append + 1 : 1;
          epoch = now;
          return append === kills[now - 1];
        };
        const newest = snapshots.newest.bind(snapshots);
        const before = new Map(memory.stored);
        let attempt = 0;
        snapshots.newest = (head) => {
          const fate = fates[attempt++ % fates.length];
          if (fate === "lost") memory.stored.clear();
          // The one before: a later one had not reached the disk.
          else if (fate === "late") {
            const old = before.get(run);
            if (old) memory.stored.set(run, old);
          } else {
            const now = memory.stored.get(run);
            if (now) before.set(run, now);
          }
          return newest(head).then((found) => {
            if (found.kind === "kept") used++;
            return found;
          });
        };
        expect(await killed.finish(answerTo)).toBe("finished");
        expect(killed.engine.trouble).toEqual([]);
        expect(factsOf(await killed.events())).toEqual(factsOf(await undisturbed.events()));
        expect(await killed.output()).toEqual(await undisturbed.output());
        const paid = (called: readonly string[]): string[] => called.filter((id) => id.startsWith("pay")).sort();
        expect(paid(killed.called)).toEqual(paid(undisturbed.called));
      },
    ),
    { numRuns: Number(process.env["GRAPH_RUNS"] ?? 10) },
  );
  expect(used).toBeGreaterThan(5);
}, 240_000);

describe("what a failed node leaves open", () => {
  const State = Annotation.Root({
    log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
  });
  const failing = (world: World) => async () => {
    await Promise.all([world.pay("left"), world.look("fail")]);
    return { log: ["never"] };
  };

  test("in the run's own graph - keeps snapshots from being taken, for it runs again in each attempt", async () => {
    const run = shapeRun(
      (world) =>
        new StateGraph(State)
          .addNode("fails", failing(world), { errorHandler: () => ({ log: ["handled"] }) })
          .addNode("after", async () => ({ log: [await world.look("after")] }))
          .addEdge(START, "fails")
          .addEdge("fails", "after")
          .addEdge("after", END),
      EACH,
    );
    await run.start({});
    expect(await run.go()).toBe("finished");
    // The one before it.
    expect(snapshotsOf(await run.events())).toEqual([0]);
    expect(run.engine.memory.views.map(({ view }) => view)).toContain("approvals_voided");
  });

  test("in a graph inside a node that went on - is voided at the end, as if nothing had been skipped", async () => {
    const inner = (world: World) =>
      new StateGraph(State).addNode("fails", failing(world)).addEdge(START, "fails").addEdge("fails", END).compile();
    const run = shapeRun(
      (world) =>
        new StateGraph(State)
          .addNode("tries", async () => {
            const graph = inner(world);
            await graph.invoke({ log: [] }).catch(() => undefined);
            return { log: ["caught"] };
          })
          .addNode("more", () => ({ log: ["more"] }))
          .addNode("looks", async () => ({ log: [await world.look("later")] }))
          .addEdge(START, "tries")
          .addEdge("tries", "more")
          .addEdge("more", "looks")
          .addEdge("looks", END),
      EACH,
    );
    await run.start({});
    let dead = false;
    run.engine.memory.cut = (events) => (dead ||= events.some(({ type }) => type === "effect_recorded" && nth() > 1));
    let recorded = 0;
    const nth = (): number => ++recorded;
    expect(await run.engine.attempt(run.compiled, run.run)).toBe("cut");
    expect(run.engine.memory.stored.size).toBe(1);
    run.engine.memory.cut = () => false;
    // Of what was asked in the graph that failed, only the snapshot tells this attempt.
    expect(await run.go()).toBe("finished");
    expect(run.engine.trouble).toEqual([]);
    expect(run.called).not.toContain("left");
    expect(run.engine.memory.views.map(({ view }) => view)).toContain("approvals_voided");
  });
});

test("a run that makes too many supersteps - is ended at the same one, with snapshots and without", async () => {
  const ends: number[] = [];
  for (const limits of [NONE, EACH]) {
    const engine = new TestEngine({ limits: { ...limits, maxSupersteps: 20 } });
    const agent = longAgent(60);
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, { n: 0 });
    let cut = false;
    engine.memory.cut = (events) => {
      cut ||= events.some((event) => event.type === "superstep_finished" && event.data.step === 12);
      return cut;
    };
    expect(await engine.attempt(compiled, run)).toBe("cut");
    engine.memory.cut = () => false;
    expect(await engine.attempt(compiled, run)).toBe("failed");
    const events = await engine.events(run);
    expect(events.at(-1)?.data).toMatchObject({ error: { code: "SUPERSTEP_LIMIT" } });
    ends.push(events.filter(({ type }) => type === "superstep_finished").length);
  }
  expect(ends[1]).toBe(ends[0]);
});
