/** The agent of the benchmark whose runs have as many steps, and as much state, as they are told to. */
import { randomBytes } from "node:crypto";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, type AnyAgent } from "signalbox";
import { lookTool, payTool } from "./bench-tools.ts";

const State = Annotation.Root({
  id: Annotation<string>(),
  /** How many supersteps it makes. */
  steps: Annotation<number>(),
  /** How much each of them writes. */
  bytes: Annotation<number>(),
  /** Where to: behind what is there, or in the place of what was there. */
  writes: Annotation<"log" | "page">(),
  done: Annotation<number>({ reducer: (_, now) => now, default: () => 0 }),
  log: Annotation<string[]>({ reducer: (before, added) => before.concat(added), default: () => [] }),
  page: Annotation<string>(),
});

/** Different text each time that no database can make smaller, for the price of a slice. */
const NOISE = randomBytes(200_000).toString("base64");
const STARTS = 50_000;

function noise(bytes: number, n: number): string {
  const start = (n * 997) % STARTS;
  return NOISE.slice(start, start + bytes);
}

/** Makes `steps` supersteps, each of which calls a read tool and writes `bytes` of state. */
export function loopingAgent(rules: URL): AnyAgent {
  return defineAgent({
    name: "loops",
    state: State,
    // Rules that name a tool do not load where no agent has it.
    tools: { look: lookTool, pay: payTool },
    rules,
    graph: ({ tools }) =>
      new StateGraph(State)
        .addNode("step", async ({ id, done, bytes, writes }) => {
          await tools.look({ step: "step", question: `${id}-${String(done)}` });
          const text = noise(bytes, done);
          return writes === "log" ? { done: done + 1, log: [text] } : { done: done + 1, page: text };
        })
        .addEdge(START, "step")
        .addConditionalEdges("step", ({ done, steps }) => (done < steps ? "step" : END), ["step", END]),
  });
}
