import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent } from "signalbox";
import { z } from "zod";
import { assessmentSchema, claimSchema, policySchema, type Assessment, type Claim, type Policy } from "./claim.ts";
import { coverOn } from "./cover.ts";
import { coverageOf } from "./coverage.ts";
import {
  MEMORY_NAMESPACE,
  RECALL_LIMIT,
  RECALL_MIN_SCORE,
  recalledClaims,
  resemblances,
  storyOf,
} from "./past-claims.ts";
import { readWordingTool } from "./tools.ts";
import { parseWording } from "./wording.ts";

const State = Annotation.Root({
  claim: Annotation<Claim>(),
  policy: Annotation<Policy>(),
  similar: Annotation<string[]>(),
  assessment: Annotation<Assessment>(),
});

/**
 * Says what the policy pays for a claim: from the tables of the wording, with every section that counted,
 * and whether the policy was in force. It does not decide what is done about either.
 */
export const assessor = defineAgent({
  name: "assessor",
  description: "Works out from the policy wording what a claim is worth.",
  team: "claims",
  state: State,
  input: z.object({ claim: claimSchema, policy: policySchema }),
  output: z.object({ assessment: assessmentSchema }),
  tools: { readWording: readWordingTool },
  rules: new URL("./rules.cedar", import.meta.url),
  graph: ({ tools, memory }) =>
    new StateGraph(State)
      .addNode("remember_similar", async ({ claim }) => {
        const items = await memory.recall({
          namespace: MEMORY_NAMESPACE,
          query: storyOf(claim),
          limit: RECALL_LIMIT,
          minScore: RECALL_MIN_SCORE,
        });
        return { similar: resemblances(claim, recalledClaims(items)) };
      })
      .addNode("assess", async ({ claim, policy, similar }) => {
        const { text } = await tools.readWording({ line: claim.line });
        const { payableMinor, limitMinor, steps, rejection } = coverageOf(claim, policy, parseWording(text));
        const { inForce, sentence } = coverOn(policy, claim.lossDate);
        const assessment: Assessment = {
          payableMinor,
          limitMinor,
          policyInForce: inForce,
          cover: sentence,
          steps: [...steps],
          similar,
          ...(rejection ? { rejection } : {}),
        };
        return { assessment };
      })
      .addEdge(START, "remember_similar")
      .addEdge("remember_similar", "assess")
      .addEdge("assess", END),
});
