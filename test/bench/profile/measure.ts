import { readFile } from "node:fs/promises";
import type { Profiler } from "node:inspector";
import { join } from "node:path";
import { contestant } from "../engine/contestants.ts";
import { Metered } from "../engine/metered.ts";
import { compiledProgram } from "../engine/programs.ts";
import type { BenchServers } from "../engine/servers.ts";
import { medianCost, type StepCost } from "../engine/step-cost.ts";
import { STEPS } from "../engine/work.ts";
import { attribute } from "./attribute.ts";
import { filesOf } from "./files.ts";
import { type Owner } from "./owners.ts";

export interface Profiled {
  /** Without the profiler. */
  readonly cost: StepCost;
  /** Milliseconds of CPU a step. */
  readonly owners: Readonly<Partial<Record<Owner, number>>>;
}

export interface ProfileOptions {
  readonly rounds: number;
  readonly ms: number;
  readonly concurrency: number;
  /** Where the profiles are left. */
  readonly folder: string;
}

/**
 * By turns, each contestant with and without V8's profiler. Without it says what a step costs, with it how that is
 * divided: the profiler itself costs something.
 */
export async function profiles(
  servers: BenchServers,
  names: readonly string[],
  { rounds, ms, concurrency, folder }: ProfileOptions,
): Promise<Record<string, Profiled>> {
  const started: { name: string; metered: Metered; costs: StepCost[]; times: Map<Owner, number> }[] = [];
  try {
    for (const name of names) {
      const metered = await Metered.start(servers, contestant(name), { stepsPerRun: STEPS.length });
      started.push({ name, metered, costs: [], times: new Map() });
    }
    for (let round = 1; round <= rounds; round++) {
      for (const { name, metered, costs, times } of started) {
        costs.push(await metered.cost({ concurrency, ms }));
        const to = join(folder, `${name}-${String(round)}.cpuprofile`);
        await metered.cost({ concurrency, ms }, { to });
        const fileOf = await filesOf(await compiledProgram(contestant(name).program));
        const profile = JSON.parse(await readFile(to, "utf8")) as Profiler.Profile;
        for (const [owner, us] of attribute(profile, fileOf)) times.set(owner, (times.get(owner) ?? 0) + us);
      }
    }
    for (const { metered } of started) await metered.check();
    return Object.fromEntries(started.map(({ name, costs, times }) => [name, divided(medianCost(costs), times)]));
  } finally {
    for (const { metered } of started) await metered[Symbol.asyncDispose]();
  }
}

function divided(cost: StepCost, times: ReadonlyMap<Owner, number>): Profiled {
  const all = [...times.values()].reduce((sum, us) => sum + us, 0);
  const owners = [...times].map(([owner, us]) => [owner, Number(((cost.nodeCpuMsPerStep * us) / all).toFixed(4))]);
  return { cost, owners: Object.fromEntries(owners) as Profiled["owners"] };
}
