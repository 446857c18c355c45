/** The blocks that are worked out from figures of several commands. */
import type { AllFigures } from "./figures.ts";
import { bytes, count, ms, number, table } from "./markdown.ts";

const RUNS_A_DAY = 1_000_000;
const STEPS_A_RUN = 10;
/** What a busy minute has, in those of a mean one. */
const PEAK = 5;
/** How busy a core may be at the peak. */
const BUSY = 0.6;
/** Of a worker, at most: see `runtime/platform/worker-process.ts`. */
const CONNECTIONS = 11;
const SECONDS_A_DAY = 86_400;

/** What most people want to know, with where it stands. */
export function answers({ floor, engine, waking, length, lists, verify }: AllFigures): string {
  const c20 = engine?.figures.scenes.c20 ?? {};
  const two = engine?.figures.scenes.c20w2["signalbox"]?.stepsPerS ?? null;
  const ours = floor?.figures.signalbox;
  const theirs = floor?.figures.memorySaver;
  const [first, last] = [length?.figures.find(({ x }) => x === 20), length?.figures.at(-1)];
  return table(
    ["you want to know", "measured", "see"],
    [
      [
        "what a step costs that is judged and recorded",
        `${ms(ours?.nodeCpuMsPerStep ?? null)} of Node's CPU and ${ms(ours?.pgCpuMsPerStep ?? null)} of Postgres's; LangGraph with its MemorySaver: ${ms(theirs?.nodeCpuMsPerStep ?? null)}`,
        "[the floor](#the-floor)",
      ],
      [
        "how many steps a second two cores make, Postgres and load included",
        `${number(c20["signalbox"]?.stepsPerS ?? null)} with one worker, ${number(two)} with two`,
        "[compared](#compared-with)",
      ],
      [
        "how long a step takes where nothing else runs",
        ms(waking?.figures.alone20.signalboxMsPerStep ?? null),
        "[waking](#waking-and-live)",
      ],
      [
        "what a step leaves behind",
        `${bytes(ours?.tableBytesPerStep ?? null)} in tables, ${bytes(ours?.walBytesPerStep ?? null)} of WAL`,
        "[the floor](#the-floor)",
      ],
      [
        "whether long runs get slow",
        `CPU of a step: ${ms(first?.cost.nodeCpuMsPerStep ?? null)} in runs of ${number(first?.x ?? null)} steps, ${ms(last?.cost.nodeCpuMsPerStep ?? null)} in runs of ${count(last?.x ?? NaN)}`,
        "[run length](#run-length)",
      ],
      [
        "how soon a run goes on after a decision",
        `${ms(waking?.figures.wake.p50Ms ?? null)}; 99 of 100 within ${ms(waking?.figures.wake.p99Ms ?? null)}`,
        "[waking](#waking-and-live)",
      ],
      [
        "how soon the console shows an event",
        `${ms(waking?.figures.live.p50Ms ?? null)}; 99 of 100 within ${ms(waking?.figures.live.p99Ms ?? null)}`,
        "[waking](#waking-and-live)",
      ],
      [
        "how long the slowest list takes with a million events",
        `99 of 100 pages within ${ms(lists?.figures.worst.p99Ms ?? null)}`,
        "[lists](#lists-and-verifying-at-a-million-events)",
      ],
      [
        "how long a million events take to verify",
        `${number(verify?.figures.seconds ?? null)} s`,
        "[lists](#lists-and-verifying-at-a-million-events)",
      ],
      ["how many machines it takes", "an example, worked out", "[sizing](#how-to-size-a-deployment)"],
    ],
    3,
  );
}

/** A deployment, worked out. */
export function sizing({ floor }: AllFigures): string {
  const cost = floor?.figures.signalbox;
  const node = cost?.nodeCpuMsPerStep ?? NaN;
  const postgres = cost?.pgCpuMsPerStep ?? NaN;
  const steps = RUNS_A_DAY * STEPS_A_RUN;
  const peak = (steps / SECONDS_A_DAY) * PEAK;
  const cores = (cpuMs: number): number => (peak * cpuMs) / 1_000;
  const workers = Math.max(2, Math.ceil(cores(node) / BUSY));
  return table(
    ["what", "how", "so many"],
    [
      ["steps a day", `${count(RUNS_A_DAY)} runs × ${String(STEPS_A_RUN)}`, count(steps)],
      ["steps a second at the peak", `${String(PEAK)} × the mean`, number(peak)],
      ["cores that workers keep busy then", `× ${ms(node)}`, number(cores(node))],
      [
        "worker processes",
        `one core each, ${String(100 * BUSY)} % busy at the peak; two at least, so that one may die`,
        String(workers),
      ],
      ["cores that Postgres keeps busy then", `× ${ms(postgres)}`, number(cores(postgres))],
      [
        "connections",
        `${String(CONNECTIONS)} each, the console's ${String(CONNECTIONS)}, 5 for a command`,
        String((workers + 1) * CONNECTIONS + 5),
      ],
      ["disk a day", `× ${bytes(cost?.tableBytesPerStep ?? null)}`, bytes(steps * (cost?.tableBytesPerStep ?? NaN))],
      ["WAL a day", `× ${bytes(cost?.walBytesPerStep ?? null)}`, bytes(steps * (cost?.walBytesPerStep ?? NaN))],
    ],
    2,
  );
}
