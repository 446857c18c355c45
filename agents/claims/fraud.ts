import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent } from "signalbox";
import { z } from "zod";
import { claimSchema, policySchema, signalSchema, type Claim, type Policy, type Signal } from "./claim.ts";
import { coverOn } from "./cover.ts";
import { documentsNeeded } from "./coverage.ts";
import {
  MEMORY_NAMESPACE,
  RECALL_LIMIT,
  RECALL_MIN_SCORE,
  recalledClaims,
  storyOf,
  type Recalled,
} from "./past-claims.ts";
import { signalsOf, type EarlierClaim } from "./signals.ts";
import { claimsHistoryTool, listDocumentsTool, readWordingTool } from "./tools.ts";
import { parseWording } from "./wording.ts";

const State = Annotation.Root({
  claim: Annotation<Claim>(),
  policy: Annotation<Policy>(),
  accountsOnFile: Annotation<string[]>(),
  earlier: Annotation<EarlierClaim[]>(),
  documents: Annotation<string[]>(),
  needed: Annotation<readonly string[]>(),
  recalled: Annotation<Recalled[]>(),
  signals: Annotation<Signal[]>(),
});

/** Looks for signals of fraud and gives a reason for each. What follows from a signal is for the rules to say. */
export const fraud = defineAgent({
  name: "fraud",
  description: "Finds what speaks for fraud in a claim, with reasons.",
  team: "claims",
  state: State,
  input: z.object({ claim: claimSchema, policy: policySchema, accountsOnFile: z.array(z.string()) }),
  output: z.object({ signals: z.array(signalSchema) }),
  tools: { history: claimsHistoryTool, documents: listDocumentsTool, readWording: readWordingTool },
  rules: new URL("./rules.cedar", import.meta.url),
  graph: ({ tools, memory }) =>
    new StateGraph(State)
      .addNode("gather", async ({ claim }) => {
        const { claimId, policyId, reportedOn, line } = claim;
        const [{ earlier }, { documents }, { text }, items] = await Promise.all([
          tools.history({ policyId, claimId, reportedOn }),
          tools.documents({ claimId }),
          tools.readWording({ line }),
          memory.recall({
            namespace: MEMORY_NAMESPACE,
            query: storyOf(claim),
            limit: RECALL_LIMIT,
            minScore: RECALL_MIN_SCORE,
          }),
        ]);
        const needed = documentsNeeded(claim, parseWording(text));
        return { earlier, documents, needed, recalled: recalledClaims(items) };
      })
      .addNode("judge", ({ claim, policy, accountsOnFile, earlier, documents, needed, recalled }) => ({
        signals: signalsOf({
          claim,
          earlier,
          coveredSince: coverOn(policy, claim.lossDate).since,
          documentsNeeded: needed,
          documentsOnFile: documents,
          recalled,
          accountsOnFile,
        }),
      }))
      .addEdge(START, "gather")
      .addEdge("gather", "judge")
      .addEdge("judge", END),
});
