import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { CallRefusedError, defineAgent } from "signalbox";
import { z } from "zod";
import { proposalSchema, settlementSchema, type Proposal, type Settlement } from "./claim.ts";
import { refusalOf } from "./refusal.ts";
import { payoutTool } from "./tools.ts";

const State = Annotation.Root({
  proposal: Annotation<Proposal>(),
  settlement: Annotation<Settlement>(),
});

/**
 * Proposes the payment, whatever was found: limits, lapses and signals of fraud are arguments of the
 * call, and the rules decide on them.
 */
export const payout = defineAgent({
  name: "payout",
  description: "Proposes the payment of a claim and says what became of it.",
  team: "claims",
  state: State,
  input: z.object({ proposal: proposalSchema }),
  output: z.object({ settlement: settlementSchema }),
  tools: { payout: payoutTool },
  rules: new URL("./rules.cedar", import.meta.url),
  graph: ({ tools }) =>
    new StateGraph(State)
      .addNode("propose", async ({ proposal }): Promise<{ settlement: Settlement }> => {
        try {
          const { receipt } = await tools.payout(proposal);
          return { settlement: { status: "paid", receipt } };
        } catch (error) {
          if (error instanceof CallRefusedError) return { settlement: refusalOf(error) };
          throw error;
        }
      })
      .addEdge(START, "propose")
      .addEdge("propose", END),
});
