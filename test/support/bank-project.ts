import { appendFile, readFile } from "node:fs/promises";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool, type SignalboxConfig } from "signalbox";
import { z } from "zod";

/**
 * A project whose tools write into a file: a ledger that outlives the worker and takes every line, so that a
 * double payment shows. `hold` names where the first call stops and waits to be killed.
 */
export function bankProject(options: {
  readonly ledger: string;
  readonly rules: URL;
  readonly reconcile: boolean;
  readonly hold?: "before" | "after" | undefined;
  readonly onHold?: () => void;
}): SignalboxConfig {
  const { ledger, rules, reconcile, hold, onHold } = options;
  const held = async (): Promise<never> => {
    onHold?.();
    return new Promise<never>(() => undefined);
  };
  const pay = defineTool({
    name: "bank.pay",
    effect: "irreversible",
    input: z.object({ id: z.string() }),
    output: z.object({ key: z.string() }),
    timeoutMs: 500,
    run: async ({ id }, { effectId }) => {
      if (hold === "before") await held();
      await appendFile(ledger, `${id} ${effectId}\n`);
      if (hold === "after") await held();
      return { key: effectId };
    },
    ...(reconcile
      ? {
          reconcile: async (_: { id: string }, { effectId }: { effectId: string }) =>
            (await payments(ledger)).some((line) => line.endsWith(effectId)) ? { key: effectId } : null,
        }
      : {}),
  });
  const State = Annotation.Root({ id: Annotation<string>(), key: Annotation<string>() });
  const agent = defineAgent({
    name: "bank",
    // Processes of a test get its source from different compilers.
    version: "1",
    state: State,
    tools: { pay },
    graph: ({ tools }) =>
      new StateGraph(State)
        .addNode("pay", ({ id }) => tools.pay({ id }))
        .addEdge(START, "pay")
        .addEdge("pay", END),
  });
  return defineConfig({ agents: [agent], rules: [rules] });
}

export async function payments(ledger: string): Promise<string[]> {
  const text = await readFile(ledger, "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}
