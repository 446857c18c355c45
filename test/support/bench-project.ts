/** The project that Signalbox runs in the engine's benchmark: the same steps as the others, judged by twenty rules. */
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, type AnyAgent, type SignalboxConfig } from "signalbox";
import { APPENDED, STEPS } from "../bench/engine/work.ts";
import { loopingAgent } from "./bench-looping-agent.ts";
import { lookTool, payTool } from "./bench-tools.ts";
import { growingAgent, heldAgent, slowAgent } from "./bench-watched-agents.ts";

const State = Annotation.Root({
  id: Annotation<string>(),
  log: Annotation<string[]>({ reducer: (before, added) => before.concat(added), default: () => [] }),
});

/** How many rules the benchmark's agents have, as long as nobody says otherwise. */
export const RULES = 20;

/** How many are about each tool: at least the one that permits it. */
export interface RuleCounts {
  readonly look: number;
  readonly pay: number;
}

/** Rules over the two tools: for each of them one permits, and the others ask something of each call. */
export function rulesText({ look, pay }: RuleCounts = { look: RULES / 2, pay: RULES / 2 }): string {
  return Object.entries({ look, pay })
    .flatMap(([tool, rules]) => [
      `@id("${tool}") permit (principal, action == Action::"desk.${tool}", resource);`,
      ...Array.from(
        { length: rules - 1 },
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
export type BenchAgent = "reads" | "pays" | "held" | "slow" | "grows" | "loops";

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
    loops: () => loopingAgent(rules),
  };
  return defineConfig({ agents: names.map((name) => agents[name]()) });
}
