import type { Metered } from "../engine/metered.ts";
import { medianCost, type StepCost } from "../engine/step-cost.ts";
import type { Sweep } from "../page/figures.ts";

/** One size of what is varied. */
export interface Point {
  readonly series: string;
  readonly x: number;
  readonly metered: Metered;
  /** Measures once. */
  readonly measure: () => Promise<StepCost>;
}

/** Measures all points in turns, so that what else the machine does meets all alike. @returns each point's medians */
export async function inTurns(points: readonly Point[], rounds: number): Promise<Sweep> {
  const taken = points.map((point) => ({ point, costs: [] as StepCost[], rssMb: 0 }));
  for (let round = 1; round <= rounds; round++) {
    for (const each of taken) {
      each.costs.push(await each.point.measure());
      each.rssMb = Math.max(each.rssMb, each.point.metered.rssMb);
    }
  }
  return taken.map(({ point: { series, x }, costs, rssMb }) => {
    const cost = medianCost(costs);
    process.stderr.write(
      `  ${series} ${String(x)}: ${cost.stepsPerS.toFixed(0)} steps/s, ${cost.nodeCpuMsPerStep.toFixed(3)} ms\n`,
    );
    return { series, x, cost, rssMb: Math.round(rssMb) };
  });
}
