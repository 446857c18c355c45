import { describe, expect, test } from "vitest";
import type { CompiledGraph, GraphBuilder } from "../../../../agents/define-agent.ts";
import type { JsonValue } from "../../../../runtime/core/json.ts";
import * as branches from "../../../support/langgraph/branches.ts";
import * as commands from "../../../support/langgraph/commands.ts";
import * as interrupts from "../../../support/langgraph/interrupts.ts";
import * as state from "../../../support/langgraph/state.ts";
import * as subgraphs from "../../../support/langgraph/subgraphs.ts";
import type { World } from "../../../support/langgraph/world.ts";
import { cutEverywhere, factsOf } from "../../../support/shapes.ts";

interface Shape {
  readonly graph: (world: World) => GraphBuilder | CompiledGraph;
  readonly input?: unknown;
  readonly answers?: (text: string) => JsonValue;
  /** Only every so-many-eth append is cut: for those that have many alike. */
  readonly every?: number;
}

const SHAPES: Record<string, Shape> = {
  "a compiled graph as a node": { graph: subgraphs.sharedState },
  "graphs inside a node's function": { graph: subgraphs.ownState, every: 7 },
  "graphs three deep": { graph: subgraphs.threeDeep, every: 2 },
  "a node that catches what a graph in it throws": { graph: subgraphs.catches },
  commands: { graph: commands.handoff },
  "commands to the graph around": { graph: commands.teams },
  "a command out of the third graph": { graph: commands.deepHandoff },
  "branches and a loop": { graph: branches.routes },
  "map and reduce over graphs": { graph: branches.mapReduce, every: 4 },
  "60 branches": { graph: branches.manyBranches, every: 29 },
  "a deferred node and a sequence": { graph: branches.deferred },
  "error handlers": { graph: branches.handled },
  "an interrupt": { graph: interrupts.approval, answers: () => true },
  "several interrupts of one node": {
    graph: interrupts.form,
    answers: (text) => (text.startsWith("What") ? "ada" : text.startsWith("How") ? "old" : 36),
  },
  "several interrupts at once": { graph: interrupts.several, every: 3 },
  "an interrupt with a schema": { graph: interrupts.typed, answers: () => ({ plan: "large" }) },
  messages: { graph: state.conversation, input: { messages: [["user", "hi"]] } },
  "a state in Zod": { graph: state.inZod, input: { messages: ["hi"] } },
  "schemas of input, output and one node": { graph: state.schemas, input: { question: "q" } },
  "a graph of messages": { graph: state.messageGraph, input: ["hi"] },
  "a channel that is overwritten": { graph: state.overwrites },
};

describe("cut off at every append and replayed", () => {
  test.each(Object.entries(SHAPES))(
    "%s - effects, routes and channels are the same as undisturbed",
    async (_name, { graph, input = {}, answers, every = 1 }) => {
      const undisturbed = await cutEverywhere(
        graph,
        input,
        async (whole, cut, at) => {
          expect([at, factsOf(await cut.events())]).toEqual([at, factsOf(await whole.events())]);
          // What may not be repeated was made once: nothing dies between a payment and its record here.
          const pays = (called: readonly string[]): string[] => called.filter((id) => !id.startsWith("r")).sort();
          expect(new Set(pays(cut.called))).toEqual(new Set(pays(whole.called)));
        },
        { every, ...(answers ? { answers } : {}) },
      );
      expect((await undisturbed.events()).at(-1)?.type).toBe("run_finished");
    },
    120_000,
  );
});
