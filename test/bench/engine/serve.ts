/**
 * The side of a contestant: it says that it is ready and in which versions, then does what it is told over IPC.
 */
import { readFile, writeFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Turn } from "../../support/bench-paced-run.ts";

export interface Contestant {
  readonly versions: Readonly<Record<string, string>>;
  /**
   * Starts a run of the steps, and resolves once its end is as durable as this contestant makes it.
   *
   * @param input what the run is given besides what makes it one of its own; a peer's runs take none
   */
  run(input?: object): Promise<void>;
  /** Makes one run of so many supersteps. */
  long?(steps: number): Promise<void>;
  /** Makes two runs go on by turns, from these supersteps of each on. */
  byTurns?(ages: Ages): Promise<readonly Turn[]>;
  /** Before the process ends. */
  close?(): Promise<void>;
}

export interface Ages {
  readonly young: number;
  readonly old: number;
  readonly turns: number;
}

/** Runs, so many at a time, until the time is over and those under way have ended. */
export interface Load {
  readonly concurrency: number;
  readonly ms: number;
  readonly input?: object;
}

export type Order =
  | { readonly kind: "warm"; readonly runs: number; readonly input?: object }
  | ({ readonly kind: "measure" } & Load)
  /** The same under V8's CPU profiler, whose profile goes `to` a file. */
  | ({ readonly kind: "profile"; readonly to: string } & Load)
  | { readonly kind: "long"; readonly steps: number }
  | ({ readonly kind: "by turns" } & Ages)
  | { readonly kind: "close" };

/** What a contestant did in a measurement. */
export interface Done {
  readonly runs: number;
  readonly ms: number;
  /** User and system time of its process, all threads. */
  readonly cpuMs: number;
  /** The memory of its process afterwards. */
  readonly rssMb: number;
  /** What supersteps took where runs went on by turns; else empty. */
  readonly turns: readonly Turn[];
}

export type Answer =
  | { readonly kind: "ready"; readonly versions: Readonly<Record<string, string>> }
  | ({ readonly kind: "done" } & Done)
  | { readonly kind: "failed"; readonly error: string };

const WARM_UP_CONCURRENCY = 10;

export function serve(contestant: Contestant): void {
  process.on("message", (order: Order) => {
    void obey(order, contestant).then(
      (done) => answer({ kind: "done", ...done }),
      (error: unknown) =>
        answer({ kind: "failed", error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.on("disconnect", () => process.exit(0));
  answer({ kind: "ready", versions: contestant.versions });
}

function answer(message: Answer): void {
  process.send?.(message);
}

async function obey(order: Order, contestant: Contestant): Promise<Done> {
  if (order.kind === "profile") {
    const stop = await startProfile();
    const done = await timed(order, contestant);
    await stop(order.to);
    return done;
  }
  return timed(order, contestant);
}

async function timed(order: Order, contestant: Contestant): Promise<Done> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  let runs = 0;
  let turns: readonly Turn[] = [];
  switch (order.kind) {
    case "close":
      await contestant.close?.();
      break;
    case "long":
      await contestant.long?.(order.steps);
      runs = 1;
      break;
    case "by turns":
      turns = (await contestant.byTurns?.(order)) ?? [];
      runs = 2;
      break;
    case "warm":
      runs = await makeRuns(contestant, { concurrency: WARM_UP_CONCURRENCY, ms: Infinity, ...order }, order.runs);
      break;
    case "measure":
    case "profile":
      runs = await makeRuns(contestant, order, Infinity);
  }
  const ms = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpu);
  return { runs, ms, cpuMs: (user + system) / 1_000, rssMb: process.memoryUsage.rss() / 1_000_000, turns };
}

/** @returns how many it made, at most as many as are wanted */
async function makeRuns(contestant: Contestant, { concurrency, ms, input }: Load, wanted: number): Promise<number> {
  const endMs = performance.now() + ms;
  let started = 0;
  let ended = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (started < wanted && performance.now() < endMs) {
        started++;
        await contestant.run(input);
        ended++;
      }
    }),
  );
  return ended;
}

const SAMPLE_US = 250;

/** @returns stops it, and writes the profile to a file, as Chrome's developer tools open it */
async function startProfile(): Promise<(to: string) => Promise<void>> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: SAMPLE_US });
  await session.post("Profiler.start");
  return async (to) => {
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    await writeFile(to, JSON.stringify(profile));
  };
}

/** The versions of installed packages, looked for from a file that imports them. */
export async function versionsOf(from: string, ...names: readonly string[]): Promise<Record<string, string>> {
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await versionOf(name, from)] as const)));
}

async function versionOf(name: string, from: string): Promise<string> {
  // Neither has every package an entry, nor lets every one its package.json be imported.
  for (let folder = dirname(fileURLToPath(from)); ; folder = dirname(folder)) {
    const text = await readFile(join(folder, "node_modules", name, "package.json"), "utf8").catch(() => null);
    if (text !== null) return (JSON.parse(text) as { readonly version: string }).version;
    if (folder === dirname(folder)) throw new Error(`${name} is not installed.`);
  }
}
