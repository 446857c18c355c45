import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isEnd, TestEngine } from "../../support/engine.ts";
import { given, program, programAgent, sayOfPrograms, World } from "../../support/programs.ts";

describe("calls at the same time, cut off and replayed", () => {
  test("random programs - give every recorded result to the call that it belongs to, in the recorded order", async () => {
    await fc.assert(
      fc.asyncProperty(
        program,
        fc.array(fc.nat(12), { maxLength: 3 }),
        fc.array(fc.nat(7), { minLength: 1, maxLength: 40 }),
        async (source, cuts, latencies) => {
          let asked = 0;
          const world = new World(() => latencies[asked++ % latencies.length] ?? 0);
          const engine = new TestEngine({ say: sayOfPrograms, limits: { leaseMs: 0 } });
          let heard: string[] = [];
          const agent = programAgent(source, world, (place, what) => heard.push(`${place}=${what}`));
          const compiled = engine.compile(agent);
          const run = await engine.create(agent, {});
          let before: string[] = [];
          // After a cut, a payment that was not made is only believed to be so after a while: one attempt more.
          for (const cut of [...cuts, Infinity, Infinity]) {
            heard = [];
            let ends = 0;
            engine.memory.cut = (events) => (ends += events.filter(isEnd).length) > cut;
            const status = await engine.attempt(compiled, run);
            // What an earlier attempt heard is heard again, in the same places and in the same order.
            const common = Math.min(heard.length, before.length);
            expect(heard.slice(0, common)).toEqual(before.slice(0, common));
            expect(heard.map((line) => line.slice(line.indexOf("=") + 1))).toEqual(
              given(await engine.events(run)).slice(0, heard.length),
            );
            if (heard.length > before.length) before = heard;
            if (status === "finished") break;
            const waits = (await engine.waits(run)).map(({ kind }) => kind);
            expect(status === "parked" ? [...new Set(waits)] : status).toEqual(status === "parked" ? ["timer"] : "cut");
            engine.skip(60_000);
          }
          expect(heard).toHaveLength(source.arms.flat().length);
          // What may not be repeated was not.
          const events = await engine.events(run);
          const paid = events.flatMap((event) =>
            event.type === "effect_intended" && event.data.name === "pay" ? [event.data.id] : [],
          );
          expect(paid.map((id) => world.calls.get(id))).toEqual(paid.map(() => 1));
        },
      ),
      { numRuns: 200 },
    );
  }, 60_000);
});
