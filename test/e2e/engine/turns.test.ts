import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { deferred } from "../../../runtime/core/deferred.ts";
import { startTestPlatform, type TestPlatform } from "../../support/platform.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

let platform: TestPlatform;
const rules = await rulesFile(PERMIT_ALL);

beforeAll(async () => {
  platform = await startTestPlatform();
});
afterAll(async () => {
  await platform[Symbol.asyncDispose]();
});

const State = Annotation.Root({ id: Annotation<string>() });

describe("a tool of which one call is under way at once", () => {
  test("wakes the runs that have parked, in the order in which they asked, long before they would ask again", async () => {
    const ends = new Map(["first", "second", "third"].map((id) => [id, deferred<undefined>()]));
    const called: string[] = [];
    const narrow = defineTool({
      name: "narrow",
      effect: "idempotent",
      concurrency: 1,
      input: z.object({ id: z.string() }),
      output: z.object({}),
      run: async ({ id }) => {
        called.push(id);
        await ends.get(id)?.promise;
        return {};
      },
    });
    const agent = defineAgent({
      name: "narrows",
      state: State,
      tools: { narrow },
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("node", async ({ id }) => {
            await tools.narrow({ id });
            return {};
          })
          .addEdge(START, "node")
          .addEdge("node", END),
    });
    const config = defineConfig({ agents: [agent], rules: [rules] });
    await platform.worker(config);
    await platform.worker(config);
    const start = (id: string): Promise<string> => platform.start(config, "narrows", { id });
    const first = await start("first");
    await expect.poll(() => called).toEqual(["first"]);
    const second = await start("second");
    await platform.reach(second, "parked");
    const third = await start("third");
    await platform.reach(third, "parked");
    const parkedAt = performance.now();
    for (const [id, run] of [
      ["first", first],
      ["second", second],
      ["third", third],
    ] as const) {
      ends.get(id)?.resolve(undefined);
      await platform.reach(run, "finished");
    }
    expect(called).toEqual(["first", "second", "third"]);
    // They would ask again after 7.5 seconds at the earliest, one after the other.
    expect(performance.now() - parkedAt).toBeLessThan(7_000);
  });
});
