/** The project that Signalbox runs in the engine's benchmark: the same five steps, judged by twenty rules. */
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool, type SignalboxConfig } from "signalbox";
import { z } from "zod";
import { APPENDED, look, type StepName } from "../bench/engine/work.ts";

const Call = z.object({ step: z.string(), question: z.string() });
const Answer = z.object({ answer: z.string() });

const State = Annotation.Root({
  id: Annotation<string>(),
  log: Annotation<string[]>({ reducer: (before, added) => before.concat(added), default: () => [] }),
});

const lookTool = defineTool({ name: "desk.look", effect: "read", input: Call, output: Answer, run: look });
const payTool = defineTool({ name: "desk.pay", effect: "irreversible", input: Call, output: Answer, run: look });

export const RULES = 20;

/** Twenty rules that all speak of these two tools; one permits, and the others ask something of each call. */
export function rulesText(): string {
  const asked = Array.from(
    { length: RULES - 1 },
    (_, i) => `@id("not-${String(i)}") @reason("Not this one.")
forbid (principal, action in [Action::"desk.look", Action::"desk.pay"], resource)
when { context.input.question like "*forbidden-${String(i)}*" };`,
  );
  return [
    `@id("desk") permit (principal, action in [Action::"desk.look", Action::"desk.pay"], resource);`,
    ...asked,
  ].join("\n");
}

/** @param pays whether the last step's call may not be repeated */
function agent(name: string, rules: URL, pays: boolean) {
  return defineAgent({
    name,
    state: State,
    tools: { look: lookTool, pay: payTool },
    rules,
    graph: ({ tools }) => {
      const step = (which: StepName) => async (state: typeof State.State) => {
        // Other arguments in each run, and the same in each attempt.
        const call = { step: which, question: `${state.id}-${which}` };
        await (pays && which === "report" ? tools.pay : tools.look)(call);
        return { log: [APPENDED] };
      };
      return new StateGraph(State)
        .addNode("gather", step("gather"))
        .addNode("check", step("check"))
        .addNode("weigh", step("weigh"))
        .addNode("decide", step("decide"))
        .addNode("report", step("report"))
        .addEdge(START, "gather")
        .addEdge("gather", "check")
        .addEdge("check", "weigh")
        .addEdge("weigh", "decide")
        .addEdge("decide", "report")
        .addEdge("report", END);
    },
  });
}

export function benchProject(rules: URL): SignalboxConfig {
  return defineConfig({
    agents: [agent(process.env["BENCH_AGENT"] ?? "reads", rules, process.env["BENCH_AGENT"] === "pays")],
  });
}
