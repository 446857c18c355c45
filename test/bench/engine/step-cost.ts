import type { Done } from "./serve.ts";
import type { PostgresCounts } from "./postgres-counters.ts";
import { median } from "./statistics.ts";

/** What a step of a run costs; null where there is no such thing. */
export interface StepCost {
  readonly stepsPerS: number;
  /** What a step takes of the time of its run, with so many beside it. */
  readonly msPerStep: number;
  readonly sqlPerStep: number | null;
  readonly walBytesPerStep: number | null;
  readonly tableBytesPerStep: number | null;
  /** User and system time of the contestant's Node processes. */
  readonly nodeCpuMsPerStep: number;
  readonly pgCpuMsPerStep: number | null;
}

/** @param counts of the server that the contestant uses, before and after; null where it uses none */
export function stepCostOf(
  done: readonly Done[],
  { concurrency, stepsPerRun }: { readonly concurrency: number; readonly stepsPerRun: number },
  counts: { readonly before: PostgresCounts; readonly after: PostgresCounts } | null,
): StepCost {
  const steps = done.reduce((sum, { runs }) => sum + runs, 0) * stepsPerRun;
  const tookMs = Math.max(...done.map(({ ms }) => ms));
  const per = (count: keyof PostgresCounts): number | null =>
    counts && (counts.after[count] - counts.before[count]) / steps;
  return {
    stepsPerS: (steps / tookMs) * 1_000,
    msPerStep: (tookMs * concurrency) / steps,
    sqlPerStep: per("statements"),
    walBytesPerStep: per("walBytes"),
    tableBytesPerStep: per("tableBytes"),
    nodeCpuMsPerStep: done.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / steps,
    pgCpuMsPerStep: per("cpuMs"),
  };
}

/** The median of each figure by itself. */
export function medianCost(all: readonly StepCost[]): StepCost {
  return eachFigure((name) => {
    const found = all.map((cost) => cost[name]).filter((figure) => figure !== null);
    return found.length < all.length ? null : median(found);
  });
}

/** @param figure null only where there is no such thing */
export function eachFigure(figure: (name: keyof StepCost) => number | null): StepCost {
  const rounded = (name: keyof StepCost): number | null => {
    const exact = figure(name);
    return exact === null ? null : Number(exact.toPrecision(4));
  };
  return {
    stepsPerS: rounded("stepsPerS") ?? NaN,
    msPerStep: rounded("msPerStep") ?? NaN,
    sqlPerStep: rounded("sqlPerStep"),
    walBytesPerStep: rounded("walBytesPerStep"),
    tableBytesPerStep: rounded("tableBytesPerStep"),
    nodeCpuMsPerStep: rounded("nodeCpuMsPerStep") ?? NaN,
    pgCpuMsPerStep: rounded("pgCpuMsPerStep"),
  };
}
