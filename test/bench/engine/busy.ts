import type { ContestantProcess } from "./contestant.ts";

export const BUSY_RUNS = 20;
const WARM_UP_RUNS = 200;
const SLICE_MS = 3_000;

/** Does something while a worker has so many runs under way all the time: each that ends is followed by another. */
export async function whileBusy<Result>(worker: ContestantProcess, work: () => Promise<Result>): Promise<Result> {
  await worker.tell({ kind: "warm", runs: WARM_UP_RUNS });
  let over = false;
  const busy = async (): Promise<void> => {
    while (!over) await worker.tell({ kind: "measure", concurrency: BUSY_RUNS, ms: SLICE_MS });
  };
  const working = work().finally(() => {
    over = true;
  });
  const [result] = await Promise.all([working, busy()]);
  return result;
}
