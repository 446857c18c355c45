import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { ConfigInvalidError, defineAgent, defineConfig } from "signalbox";
import { expect, test } from "vitest";

const State = Annotation.Root({ n: Annotation<number>() });
const asks = defineAgent({
  name: "asks",
  state: State,
  interrupts: { pool: "finance" },
  graph: () =>
    new StateGraph(State)
      .addNode("n", () => ({}))
      .addEdge(START, "n")
      .addEdge("n", END),
});

test("an agent whose interrupts go to a pool that is not there - is refused where pools are named", () => {
  expect(() => defineConfig({ agents: [asks], pools: { claims: "Claims." } })).toThrow(
    'the agent "asks" puts its interrupts to the pool "finance", which is not among the pools',
  );
  expect(defineConfig({ agents: [asks], pools: { finance: "Money." } }).agents).toEqual([asks]);
  expect(defineConfig({ agents: [asks] }).agents).toEqual([asks]);
});

test.each([{ maxDepth: 0 }, { maxMessages: 1.5 }, { maxSupersteps: -1 }, { maxDeptht: 3 }])(
  "the limits %j - are refused",
  (limits) => {
    expect(() => defineConfig({ agents: [asks], limits })).toThrow(ConfigInvalidError);
  },
);
