import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { answerTo, buildGraph, graph } from "../../../support/graphs.ts";
import { factsOf, ShapeRun, shapeAgent } from "../../../support/shapes.ts";

test("random graphs, killed at random appends - have the effects, routes and channels of an undisturbed run", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ weight: 4, arbitrary: graph(1) }, { weight: 1, arbitrary: graph(2) }),
      fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(4), { minLength: 1, maxLength: 20 }),
      async (program, kills, latencies) => {
        const run = randomUUID();
        const start = (dawdle: () => number): Promise<ShapeRun> =>
          new ShapeRun((called) => shapeAgent((world) => buildGraph(program, world), { called, dawdle }), {
            run,
          }).start({});
        const undisturbed = await start(() => 0);
        expect(await undisturbed.finish(answerTo)).toBe("finished");

        let asked = 0;
        const killed = await start(() => latencies[asked++ % latencies.length] ?? 0);
        // Each attempt dies at an append of its own, as long as there are kills left.
        let [epoch, append] = [0, 0];
        killed.engine.memory.cut = (_, { epoch: now }) => {
          append = now === epoch ? append + 1 : 1;
          epoch = now;
          return append === kills[now - 1];
        };
        expect(await killed.finish(answerTo)).toBe("finished");
        expect(factsOf(await killed.events())).toEqual(factsOf(await undisturbed.events()));
        const paid = (called: readonly string[]): string[] => called.filter((id) => id.startsWith("pay")).sort();
        expect(paid(killed.called)).toEqual(paid(undisturbed.called));
      },
    ),
    { numRuns: Number(process.env["GRAPH_RUNS"] ?? 20) },
  );
}, 240_000);
