import { defineTool } from "signalbox";
import { z } from "zod";
import type { JournalEvent } from "../../runtime/core/events.ts";
import { TestEngine } from "./engine.ts";

/** So that "it did not happen" is believed soon. */
export const SOON = { leaseMs: 20 };

/** A bank outside of Signalbox. It pays twice if it is told to twice. */
export class Bank {
  readonly paid: string[] = [];
  calls = 0;
  /** What happens in the next calls: `before` and `after` end the attempt there, as a killed worker would. */
  readonly fates: ("before" | "after" | "hang" | "pays")[];
  readonly engine: TestEngine;

  constructor(engine: TestEngine, fates: Bank["fates"]) {
    this.engine = engine;
    this.fates = fates;
  }

  async pay(effectId: string, signal: AbortSignal): Promise<{ receipt: string }> {
    this.calls++;
    const fate = this.fates.shift() ?? "pays";
    if (fate === "before" || fate === "after") this.engine.memory.cut = () => true;
    if (fate !== "before") this.paid.push(effectId);
    if (fate === "hang")
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          reject(new Error("aborted"));
        });
      });
    return { receipt: effectId.slice(0, 8) };
  }

  find(effectId: string): { receipt: string } | null {
    return this.paid.includes(effectId) ? { receipt: effectId.slice(0, 8) } : null;
  }
}

export type Kind = "irreversible" | "idempotent" | "read";

export function payTool(bank: Bank, effect: Kind, reconcile?: (effectId: string) => unknown) {
  return defineTool({
    name: "pay",
    effect,
    input: z.object({}),
    output: z.object({ receipt: z.string() }),
    timeoutMs: 50,
    run: (_, { effectId, signal }) => bank.pay(effectId, signal),
    ...(reconcile
      ? { reconcile: (_: object, { effectId }: { effectId: string }) => reconcile(effectId) as never }
      : {}),
  });
}

export function output(events: readonly JournalEvent[]): unknown {
  const last = events.at(-1);
  return last?.type === "run_finished" ? (last.data.output as { output: unknown }).output : last;
}
