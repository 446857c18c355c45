import { bundlePatched, type Bundle } from "./bundle.ts";
import { SkipCase, type FaultCase, type Violation } from "./case.ts";
import type { Lane } from "./lane.ts";
import { Random } from "./random.ts";
import { NeverCame, Scene } from "./scene.ts";
import { settle, whereabouts } from "./settle.ts";
import { Together } from "./together.ts";

/** How long runs may take after the fault is over, of many seeds that go on together on a slow machine. */
const LIMIT_MS = 60_000;
/** The same where the guard is out, and what is stuck is what is looked for. */
const LIMIT_WITHOUT_GUARD_MS = 6_000;
/** How many seeds may be tried until a case shows that its guard is out. */
const SEEDS_WITHOUT_GUARD = 12;

export type SeedResult =
  { readonly skipped: string } | { readonly skipped: null; readonly violations: readonly Violation[] };

interface Options {
  readonly guarded?: boolean;
}

/** Runs one seed of a case: what it does, and what is wrong afterwards. */
export async function runSeed(lane: Lane, faultCase: FaultCase, seed: number, options?: Options): Promise<SeedResult> {
  const [result] = await runSeeds(lane, faultCase, [seed], options);
  if (!result) throw new Error("A seed has come to nothing.");
  return result;
}

/** Runs seeds of a case at the same time, see {@link Together}: what is wrong after each. */
export async function runSeeds(
  lane: Lane,
  faultCase: FaultCase,
  seeds: readonly number[],
  { guarded = true }: Options = {},
): Promise<SeedResult[]> {
  const together = new Together(seeds.length);
  const scenes = seeds.map((seed) => {
    // The bank remembers: what is run twice, with its guard and without, must not meet itself there.
    const tag = `${faultCase.name}#${String(seed)}/${String(lane.nextScene())}`;
    return new Scene(lane, new Random(seed * 7_919 + hash(faultCase.name)), tag, faultCase.agents, together);
  });
  try {
    return await Promise.all(scenes.map((scene) => play(scene, faultCase, guarded)));
  } finally {
    for (const scene of scenes) await scene.cleanUp();
    if (scenes.some(({ violations }) => violations.length > 0)) await lane.reset();
    else await lane.tidy();
  }
}

async function play(scene: Scene, faultCase: FaultCase, guarded: boolean): Promise<SeedResult> {
  try {
    await faultCase.run(scene);
  } catch (error) {
    if (error instanceof SkipCase) return { skipped: error.message };
    if (!guarded && !(error instanceof NeverCame)) throw error;
    if (error instanceof NeverCame)
      scene.violated("stuck", `${error.message}: ${await whereabouts(scene).catch(String)}`);
    // A seed that could not be run to its end has shown nothing.
    else scene.violated("unverified", error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    scene.leave();
  }
  await settle(scene, guarded ? LIMIT_MS : LIMIT_WITHOUT_GUARD_MS);
  return { skipped: null, violations: scene.violations };
}

export type GuardProof =
  { readonly skipped: string } | { readonly skipped: null; readonly seen: Violation | null; readonly seeds: number };

/** Runs a case without its guard, and tells what it saw of that. */
export async function proveGuard(lane: Lane, faultCase: FaultCase, normal: Bundle): Promise<GuardProof> {
  const { guard } = faultCase;
  if ("none" in guard) return { skipped: guard.none };
  await using patched = await bundlePatched(guard.patches, normal);
  await lane.use(patched.path);
  try {
    for (let seed = 1; seed <= SEEDS_WITHOUT_GUARD; seed++) {
      const result = await runSeed(lane, faultCase, seed, { guarded: false });
      if (result.skipped !== null) return { skipped: result.skipped };
      const seen = result.violations.find(({ kind }) => guard.shows.includes(kind));
      if (seen) return { skipped: null, seen, seeds: seed };
    }
    return { skipped: null, seen: null, seeds: SEEDS_WITHOUT_GUARD };
  } finally {
    await lane.reset();
    await lane.use(normal.path);
  }
}

function hash(text: string): number {
  let sum = 17;
  for (const char of text) sum = (Math.imul(sum, 31) + (char.codePointAt(0) ?? 0)) >>> 0;
  return sum;
}
