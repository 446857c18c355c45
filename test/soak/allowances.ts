import { FEWEST_POINTS, judge, type Allowance, type Judgement } from "./flat.ts";
import type { Sample } from "./sample.ts";

const MB = 2 ** 20;

/**
 * How much each series may grow over the measured time, the first that fits. Null: noted, and not judged.
 *
 * - A heap after a full collection holds what is reachable: what the runs of the moment hold differs from sample to
 *   sample, which is noise; code that V8 still compiles for seldom paths is what a megabyte is for.
 * - What the process takes from the system is not given back at once, so that it follows the largest heap there was.
 * - Connections and subscriptions are few and do not depend on time at all.
 * - A table's room per row is judged as it is. What holds only what there is now is as large as its busiest time
 *   between two vacuums, which a longer time finds a little busier.
 * - What waits to be done follows chance; were it to grow, the load would be too much, and all else would grow with it.
 */
const ALLOWED: readonly (readonly [series: RegExp, allowance: Allowance | null])[] = [
  [/^memory\/.*\/heapUsed$/, { share: 0.02, absolute: MB }],
  [/^memory\/.*\/(external|arrayBuffers)$/, { share: 0.1, absolute: MB }],
  [/^memory\/.*\/rss$/, { share: 0.1, absolute: 16 * MB }],
  [/^memory\/.*\/(resources|timers)$/, { share: 0.1, absolute: 10 }],
  [/^connections\/nats\/messages$/, { share: 0.1, absolute: 100 }],
  [/^connections\/nats\/bytes$/, { share: 0.1, absolute: MB / 4 }],
  [/^connections\//, { share: 0.1, absolute: 2 }],
  [/^tables\/.*\/bytes per row$/, { share: 0.1, absolute: 0 }],
  [/^tables\/.*\/rows$/, { share: 0.1, absolute: 20 }],
  [/^tables\/workers\/bytes$/, { share: 0.2, absolute: MB / 2 }],
  [/^tables\/.*\/bytes$/, { share: 0.2, absolute: MB / 4 }],
  [/^tables\/.*\/dead/, null],
  [/^backlog\//, { share: 0.2, absolute: 30 }],
];

/** Whether each series of the samples is flat; those with too few points are left out. */
export function judgeAll(samples: readonly Sample[]): ReadonlyMap<string, Judgement> {
  const series = new Set(samples.flatMap(({ values }) => [...values.keys()]));
  const judged = new Map<string, Judgement>();
  for (const name of [...series].sort()) {
    const points = samples.flatMap(({ atMs, values }) => {
      const value = values.get(name);
      return value === undefined ? [] : [{ atMs, value }];
    });
    const allowance = ALLOWED.find(([pattern]) => pattern.test(name))?.[1];
    if (allowance && points.length >= FEWEST_POINTS) judged.set(name, judge(points, allowance));
  }
  return judged;
}
