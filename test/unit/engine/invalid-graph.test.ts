import { Annotation, START, StateGraph } from "@langchain/langgraph";
import { describe, expect, test } from "vitest";
import { defineAgent } from "../../../agents/define-agent.ts";
import { InvalidGraphError } from "../../../runtime/engine/errors.ts";
import { TestEngine } from "../../support/engine.ts";

const State = Annotation.Root({ total: Annotation<number>() });

describe("a graph that cannot be built", () => {
  test.each([
    [
      "has a node with the name of a channel",
      () => new StateGraph(State).addNode("total", () => ({})),
      /total is already/,
    ],
    [
      "has a node that nothing leads to",
      () =>
        new StateGraph(State)
          .addNode("a", () => ({}))
          .addNode("b", () => ({}))
          .addEdge(START, "a"),
      /b/,
    ],
    [
      "is built by a function that throws",
      () => {
        throw new TypeError("prices is not defined");
      },
      /prices is not defined/,
    ],
  ])("because it %s - is a mistake of that agent, told by its name", (_what, graph, says) => {
    const agent = defineAgent({ name: "billing", state: State, graph: graph });
    const compile = () => new TestEngine().compile(agent);
    expect(compile).toThrow(InvalidGraphError);
    expect(compile).toThrow(/the agent "billing" cannot be built/);
    expect(compile).toThrow(says);
  });
});
