/** The project that Signalbox runs in the engine's benchmark: the same steps as the others, judged by twenty rules. */
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool, type AnyAgent, type SignalboxConfig } from "signalbox";
import { z } from "zod";
import { APPENDED, look, STEPS } from "../bench/engine/work.ts";
import { growingAgent, heldAgent, slowAgent } from "./bench-watched-agents.ts";

const Call = z.object({ step: z.string(), question: z.string() });
const Answer = z.object({ answer: z.string() });

const State = Annotation.Root({
  id: Annotation<string>(),
  log: Annotation<string[]>({ reducer: (before, added) => before.concat(added), default: () => [] }),
});

const lookTool = defineTool({ name: "desk.look", effect: "read", input: Call, output: Answer, run: look });
const payTool = defineTool({ name: "desk.pay", effect: "irreversible", input: Call, output: Answer, run: look });

export const RULES = 20;

/** Twenty rules over the two tools: for each of them one permits, and nine ask something of each call. */
export function rulesText(): string {
  return ["look", "pay"]
    .flatMap((tool) => [
      `@id("${tool}") permit (principal, action == Action::"desk.${tool}", resource);`,
      ...Array.from(
        { length: RULES / 2 - 1 },
        (_, i) => `@id("${tool}-not-${String(i)}") @reason("Not this one.")
forbid (principal, action == Action::"desk.${tool}", resource)
when { context.input.question like "*forbidden-${String(i)}*" };`,
      ),
    ])
    .join("\n");
}

/** @param pays whether the last step's call may not be repeated */
function agent(name: string, rules: URL, pays: boolean) {
  return defineAgent({
    name,
    state: State,
    tools: { look: lookTool, pay: payTool },
    rules,
    graph: ({ tools }) => {
      const step = (which: string) => async (state: typeof State.State) => {
        // Other arguments in each run, and the same in each attempt.
        const call = { step: which, question: `${state.id}-${which}` };
        await (pays && which === STEPS.at(-1) ? tools.pay : tools.look)(call);
        return { log: [APPENDED] };
      };
      return new StateGraph(State)
        .addSequence(STEPS.map((name) => [name, step(name)]))
        .addEdge(START, STEPS[0] ?? END)
        .addEdge(STEPS.at(-1) ?? START, END);
    },
  });
}

/** How the agents are named that the benchmark's projects hold. */
export type BenchAgent = "reads" | "pays" | "held" | "slow" | "grows";

/** @param ran as {@link growingAgent} takes it */
export function benchProject(
  names: readonly BenchAgent[],
  rules: URL,
  ran: Parameters<typeof growingAgent>[0] = () => undefined,
): SignalboxConfig {
  const agents: Readonly<Record<BenchAgent, () => AnyAgent>> = {
    reads: () => agent("reads", rules, false),
    pays: () => agent("pays", rules, true),
    held: () => heldAgent(rules),
    slow: () => slowAgent(rules),
    grows: () => growingAgent(ran),
  };
  return defineConfig({ agents: names.map((name) => agents[name]()) });
}
