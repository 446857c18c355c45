import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig } from "signalbox";
import { expect, test } from "vitest";
import { startTestPlatform } from "../../support/platform.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

test("limits of the configuration - bound what its agents may do, and what is left out is as usual", async () => {
  const State = Annotation.Root({ n: Annotation<number> });
  const loops = defineAgent({
    name: "loops",
    state: State,
    graph: () =>
      new StateGraph(State)
        .addNode("again", ({ n }) => ({ n: n + 1 }))
        .addEdge(START, "again")
        .addConditionalEdges("again", ({ n }) => (n < 20 ? "again" : END)),
  });
  await using platform = await startTestPlatform();
  const rules = [await rulesFile(PERMIT_ALL)];
  const ended = async (run: string) => (await platform.journal.read(run)).at(-1)?.type;
  const narrow = defineConfig({ agents: [loops], rules, limits: { maxSupersteps: 7, maxDepth: undefined } });
  const worker = await platform.worker(narrow);
  const bounded = await platform.start(narrow, "loops", { n: 0 });
  await expect.poll(() => ended(bounded), { timeout: 20_000 }).toBe("run_failed");
  expect((await platform.journal.read(bounded)).at(-1)?.data).toMatchObject({
    error: { code: "SUPERSTEP_LIMIT", message: expect.stringContaining("7") as string },
  });
  await worker.close();

  const usual = defineConfig({ agents: [loops], rules });
  await platform.worker(usual);
  const free = await platform.start(usual, "loops", { n: 0 });
  await expect.poll(() => ended(free), { timeout: 20_000 }).toBe("run_finished");
});
