import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { RunStatus } from "../../../../runtime/core/events.ts";
import { answerTo, buildGraph, graph, type Graph } from "../../../support/graphs.ts";
import { factsOf, ShapeRun, shapeAgent, textOf } from "../../../support/shapes.ts";

/** Longer than any sleep or investigation of these runs. */
const LONG_MS = 60_000;

/** The same run of the same graph; `dawdle` says how long the next call takes. */
function start(program: Graph, run: string, dawdle: () => number): Promise<ShapeRun> {
  const agent = (called: string[]) => shapeAgent((world) => buildGraph(program, world), { called, dawdle });
  return new ShapeRun(agent, { run }).start({});
}

/** Numbers that are given one after the other, over and over. */
function cycle(numbers: readonly number[]): () => number {
  let next = 0;
  return () => numbers[next++ % numbers.length] ?? 0;
}

/**
 * Lets a run go on to its end. At each park, some of what it waits for comes, in an order that `pick` decides: none of
 * it (it was woken in vain), or several before anybody takes the run again.
 */
async function finish(shape: ShapeRun, pick: () => number): Promise<RunStatus> {
  for (;;) {
    const status = await shape.engine.attempt(shape.compiled, shape.run);
    if (status === "cut" || status === "ready") continue;
    if (status !== "parked") return status;
    const comes: (() => Promise<unknown>)[] = [
      ...(await shape.engine.held(shape.run)).map((held) => () => {
        const { id } = held.input as { id: string };
        return shape.engine.decide(shape.run, held, id.endsWith("no") ? "reject" : "approve");
      }),
      ...(await shape.questions()).map((question) => () => shape.answer(question, answerTo(textOf(question)))),
      ...(await shape.asks()).map((ask) => () => shape.answerAsk(ask)),
    ];
    const waits = await shape.waits();
    if (waits.some((wait) => "dueAt" in wait)) {
      comes.push(() => {
        shape.engine.skip(LONG_MS);
        return Promise.resolve();
      });
    }
    if (comes.length === 0) throw new Error("It waits for nobody.");
    for (let n = pick() % (comes.length + 1); n > 0; n--) await comes.splice(pick() % comes.length, 1)[0]?.();
  }
}

const numbers = (max: number, least: number) => fc.array(fc.nat(max), { minLength: least, maxLength: 24 });
// The one as a number that always brings something, or nothing would ever come.
const order = numbers(11, 1).map((picks) => [...picks, 1, 0]);

test("random graphs with all kinds of waits, cut at any append and any park - end like an undisturbed run", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ weight: 4, arbitrary: graph(0, true) }, { weight: 2, arbitrary: graph(1, true) }),
      // In which append of each attempt the worker dies; none where there are not so many.
      numbers(12, 4),
      numbers(4, 1),
      order,
      async (program, kills, latencies, picks) => {
        const run = randomUUID();
        const undisturbed = await start(program, run, () => 0);
        expect(await finish(undisturbed, () => 1)).toBe("finished");

        const disturbed = await start(program, run, cycle(latencies));
        let [epoch, append] = [0, 0];
        disturbed.engine.memory.cut = (_, { epoch: now }) => {
          append = now === epoch ? append + 1 : 1;
          epoch = now;
          return append === kills[now - 1];
        };
        expect(await finish(disturbed, cycle(picks))).toBe("finished");
        expect(factsOf(await disturbed.events())).toEqual(factsOf(await undisturbed.events()));
        // What was paid was paid once, and nothing else was.
        const paid = ({ called }: ShapeRun): string[] => called.filter((id) => id.startsWith("pay")).sort();
        expect(paid(disturbed)).toEqual(paid(undisturbed));
      },
    ),
    { numRuns: Number(process.env["GRAPH_RUNS"] ?? 8) },
  );
}, 240_000);

test("one graph with a wait of each kind, cut at each of its appends in turn - ends like an undisturbed run", async () => {
  const acts = (...does: readonly ("pay" | "put" | "person" | "agent" | "sleep" | "ask")[]) =>
    ({ kind: "acts", acts: does.map((one) => ({ does: one, word: "a" })) }) as const;
  const arms = { kind: "arms", arms: [acts("pay").acts, acts("person", "put").acts, acts("agent").acts] } as const;
  const program: Graph = {
    stages: [
      { kind: "nodes", nodes: [acts("sleep", "pay"), acts("ask", "agent"), arms] },
      { kind: "loop", times: 2, body: acts("person", "put") },
    ],
  };
  const run = randomUUID();
  const undisturbed = await start(program, run, () => 0);
  let appends = 0;
  undisturbed.engine.memory.cut = () => {
    appends++;
    return false;
  };
  expect(await finish(undisturbed, () => 1)).toBe("finished");
  const facts = factsOf(await undisturbed.events());
  for (let at = 1; at <= appends; at++) {
    const cut = await start(program, run, () => 0);
    let append = 0;
    cut.engine.memory.cut = () => ++append === at;
    // Another order for each.
    expect(await finish(cut, cycle([at, 1, at >> 2, 3, at >> 1, 1, 0]))).toBe("finished");
    expect(factsOf(await cut.events()), `cut at append ${String(at)}`).toEqual(facts);
  }
  expect(appends).toBeGreaterThan(30);
}, 240_000);
