import { cpus } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { ENDED_STATUSES } from "../../runtime/core/events.ts";
import { Random } from "../faults/random.ts";
import type { Violation } from "../faults/case.ts";
import { Fleet } from "./fleet.ts";
import { openGround, type Ground } from "./ground.ts";
import { Harms, type Harm } from "./harm.ts";
import { Ledger } from "./ledger.ts";
import { Load } from "./load.ts";
import { SoakOperator } from "./operator.ts";
import { takeSample, type Sample } from "./sample.ts";
import type { Abort } from "./soak-process.ts";
import { Watchers } from "./watchers.ts";

export interface SoakOptions {
  readonly minutes: number;
  readonly random: Random;
  /** Runs a second. */
  readonly rate: number;
  readonly mortals: number;
  readonly watchers: number;
  readonly leakMb: number;
  /** Ends it early, without a word on what was seen. */
  readonly stop: AbortSignal;
  readonly say: (text: string) => void;
  readonly onSample: (moment: Moment) => void;
}

/** A sample, and how it went until then. */
export interface Moment {
  readonly sample: Sample;
  readonly warm: boolean;
  /** How much of the processors was in use since the last sample, by anybody: 0 to 1. */
  readonly busy: number;
  readonly runs: number;
  readonly harms: number;
}

export interface Soaked {
  /** After warm-up. */
  readonly samples: readonly Sample[];
  readonly busy: readonly number[];
  readonly started: number;
  readonly heldBack: number;
  /** On record, those that others have caused included. */
  readonly runs: number;
  readonly steps: number;
  readonly harms: ReadonlyMap<Harm, number>;
  readonly people: SoakOperator["did"];
  readonly watched: Watchers["did"];
  readonly violations: readonly Violation[];
  readonly aborts: readonly Abort[];
}

/** This part of the time is warm-up: code is compiled, pools and caches fill, tables become more than some pages. */
const WARM_UP = 1 / 3;
const CALL_MS = { from: 0, to: 100 };
const LONG_CALL_MS = { from: 500, to: 2_000 };
const SAMPLES = 60;
const SAMPLE_EVERY_MS = { least: 2_000, most: 15_000 };
/** For all to come to rest: longer than a lease and what runs one at a time after a crash. */
const REST_WITHIN_MS = 180_000;
const REST_LOOK_MS = 500;

/** @throws where it was stopped, and where something cannot be done that the soak itself needs: then nothing is left running. */
export async function soak(options: SoakOptions): Promise<Soaked> {
  const { random, say, stop } = options;
  const over = new AbortController();
  stop.addEventListener("abort", () => {
    over.abort();
  });
  await using ground = await openGround();
  await using fleet = await Fleet.start({ ground, mortals: options.mortals, leakMb: options.leakMb });
  say("all is started");
  const ledger = new Ledger();
  const drawn = (): Random => new Random(random.between(0, 2 ** 31));
  unhurriedBank(ground, drawn());
  const load = new Load({ ground, fleet, ledger, random: drawn() });
  const operator = new SoakOperator({ ground, fleet, ledger, random: drawn() });
  const watchers = new Watchers({ ground, fleet, random: drawn() });
  const harms = new Harms({ ground, fleet, random: drawn() });

  const rested = new AbortController();
  const operating = operator.run(rested.signal);
  const going = Promise.all([
    load.run(options.rate, over.signal),
    watchers.run(options.watchers, over.signal),
    harms.run(over.signal),
  ]);
  going.catch(() => {
    over.abort();
  });
  const { samples, busy } = await sampling({ ...options, ground, fleet, load, harms, ledger, over: over.signal });
  over.abort();
  await going;
  stop.throwIfAborted();
  say("waiting until all has come to its end");
  const open = await rest(ground, stop);
  rested.abort();
  await operating;
  if (open !== "") ledger.violated("stuck", open);
  say("looking at the record");
  const runs = open === "" ? await ledger.check(ground) : ledger.size;
  const steps = await stepsOf(ground);
  await fleet.stop();
  return {
    samples,
    busy,
    started: ledger.size,
    heldBack: load.heldBack,
    runs,
    steps,
    harms: harms.did,
    people: operator.did,
    watched: watchers.did,
    violations: ledger.violations,
    aborts: fleet.aborts,
  };
}

/**
 * Calls take a while, so that harm finds them on their way; the one whose end nobody can be asked about takes longest.
 * The first two times that a flaky call of a run comes, the bank hangs up.
 */
function unhurriedBank({ bank }: Ground, random: Random): void {
  const tried = new Map<string, number>();
  bank.always(
    "arrived",
    () => true,
    async ({ id }) => {
      const { from, to } = id.endsWith(":wire") ? LONG_CALL_MS : CALL_MS;
      await delay(random.between(from, to));
      if (!id.endsWith(":flaky")) return "go";
      const times = (tried.get(id) ?? 0) + 1;
      tried.set(id, times);
      return times > 2 ? "go" : "drop";
    },
  );
}

async function sampling(
  parts: Pick<SoakOptions, "minutes" | "onSample"> & {
    ground: Ground;
    fleet: Fleet;
    load: Load;
    harms: Harms;
    ledger: Ledger;
    over: AbortSignal;
  },
): Promise<Pick<Soaked, "samples" | "busy">> {
  const { ground, fleet, load, over } = parts;
  const totalMs = parts.minutes * 60_000;
  const everyMs = Math.min(SAMPLE_EVERY_MS.most, Math.max(SAMPLE_EVERY_MS.least, totalMs / SAMPLES));
  const startedMs = performance.now();
  const samples: Sample[] = [];
  const busy: number[] = [];
  let cpu = cpuTimes();
  for (let dueMs = everyMs; dueMs <= totalMs; dueMs += everyMs) {
    await delay(Math.max(0, startedMs + dueMs - performance.now()), undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) break;
    const atMs = performance.now() - startedMs;
    const sample = await takeSample(ground, fleet, atMs);
    load.open = sample.values.get("backlog/runs that could go on") ?? 0;
    const warm = atMs >= totalMs * WARM_UP;
    const now = cpuTimes();
    const share = 1 - (now.idle - cpu.idle) / (now.all - cpu.all);
    cpu = now;
    if (warm) {
      samples.push(sample);
      busy.push(share);
    }
    parts.onSample({ sample, warm, busy: share, runs: parts.ledger.size, harms: parts.harms.count });
  }
  return { samples, busy };
}

function cpuTimes(): { readonly idle: number; readonly all: number } {
  const times = cpus().map((cpu) => cpu.times);
  const all = times.flatMap((time) => Object.values(time)).reduce((sum, ms) => sum + ms, 0);
  return { idle: times.reduce((sum, { idle }) => sum + idle, 0), all };
}

/** Waits until all runs have ended and all messages are received. @returns what has not come to its end, in words */
async function rest({ database }: Ground, stop: AbortSignal): Promise<string> {
  const deadline = performance.now() + REST_WITHIN_MS;
  for (;;) {
    const rows = await database.query<{ what: string }>(
      `select agent || ' ' || run_id || ' is ' || status as what from runs where not status = any($1)
       union all select 'the message ' || msg_id || ' to ' || to_agent || ' has reached nobody' from outbox
         where received_at is null and dead_at is null and withdrawn_at is null`,
      [ENDED_STATUSES],
    );
    if (rows.length === 0) return "";
    stop.throwIfAborted();
    if (performance.now() > deadline) return rows.map(({ what }) => what).join(", ");
    await delay(REST_LOOK_MS);
  }
}

async function stepsOf({ database }: Ground): Promise<number> {
  const [row] = await database.query<{ steps: number }>(
    "select count(*) as steps from events where type = 'superstep_finished'",
  );
  return row?.steps ?? 0;
}
