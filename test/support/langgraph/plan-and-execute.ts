import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { z } from "zod";

const Plan = z.object({ steps: z.array(z.string()).describe("What to do, in this order") });
const Next = z.object({ answer: z.string().nullable(), steps: z.array(z.string()) });

const State = Annotation.Root({
  input: Annotation<string>(),
  plan: Annotation<string[]>(),
  done: Annotation<[step: string, result: string][]>({ reducer: (a, b) => [...a, ...b], default: () => [] }),
  answer: Annotation<string>(),
});

/** A planner with structured output, an executor for one step at a time, and a planner that looks again. */
export function planAndExecute(model: BaseChatModel) {
  const planner = model.withStructuredOutput(Plan, { name: "plan" });
  const replanner = model.withStructuredOutput(Next, { name: "next" });
  return new StateGraph(State)
    .addNode("planner", async ({ input }) => ({ plan: (await planner.invoke(`Plan: ${input}`)).steps }))
    .addNode("execute", async ({ plan }) => {
      const [step = ""] = plan;
      const result = await model.invoke([["human", `Do: ${step}`]]);
      return { done: [[step, result.text] as [string, string]], plan: plan.slice(1) };
    })
    .addNode("replan", async ({ input, done, plan }) => {
      const next = await replanner.invoke(`Goal: ${input}. Done: ${JSON.stringify(done)}. Left: ${plan.join()}`);
      return next.answer === null ? { plan: next.steps } : { answer: next.answer };
    })
    .addEdge(START, "planner")
    .addEdge("planner", "execute")
    .addEdge("execute", "replan")
    .addConditionalEdges("replan", ({ answer }) => (answer ? END : "execute"), ["execute", END]);
}
export { State as PlanState };
