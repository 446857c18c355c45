import { stat } from "node:fs/promises";
import { type AgentName, ALL_AGENTS, PATIENT } from "./agents.ts";
import type { Bundle } from "./bundle.ts";
import type { Lane } from "./lane.ts";
import { Random } from "./random.ts";
import { Scene } from "./scene.ts";
import { settle } from "./settle.ts";

const LIMIT_MS = 30_000;

/**
 * Lets one worker do once what workers do, and keeps the code that was compiled for it: most later workers live no
 * longer than compiling takes.
 */
export async function warmUp(lane: Lane, bundle: Bundle): Promise<void> {
  const scene = new Scene(lane, new Random(0), "warm-up", ALL_AGENTS);
  // On a busy machine this first one may be so slow that calls run out of their time.
  scene.terms.doubts = true;
  const worker = await scene.worker(PATIENT);
  // Those two are started by others.
  const started = ALL_AGENTS.filter((name): name is AgentName => name !== "answerer" && name !== "collector");
  await scene.startAll(...started);
  await settle(scene, LIMIT_MS);
  if (scene.violations.length > 0) throw new Error(`Without any fault: ${JSON.stringify(scene.violations)}`);
  worker.keepCompiled();
  await scene.until("the code is kept", () => stat(bundle.compiled).then(() => true));
  await lane.use(bundle.path);
}
