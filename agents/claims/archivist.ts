import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent } from "signalbox";
import { z } from "zod";
import { MEMORY_NAMESPACE, pastClaimSchema, type PastClaim } from "./past-claims.ts";

const State = Annotation.Root({
  items: Annotation<{ text: string; data: PastClaim }[]>(),
  remembered: Annotation<number>(),
});

/** Puts closed claims of earlier years into the shared memory, through the gate like any other call. */
export const archivist = defineAgent({
  name: "archivist",
  description: "Remembers the closed claims of earlier years.",
  team: "claims",
  state: State,
  input: z.object({ items: z.array(z.object({ text: z.string(), data: pastClaimSchema })) }),
  output: z.object({ remembered: z.int().nonnegative() }),
  rules: new URL("./rules.cedar", import.meta.url),
  graph: ({ memory }) =>
    new StateGraph(State)
      .addNode("remember", async ({ items }) => {
        await Promise.all(items.map(({ text, data }) => memory.remember({ namespace: MEMORY_NAMESPACE, text, data })));
        return { remembered: items.length };
      })
      .addEdge(START, "remember")
      .addEdge("remember", END),
});
