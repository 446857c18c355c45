import type { SessionView } from "../../runtime/core/protocol.ts";
import { describeEvent } from "../../runtime/cli/describe-event.ts";
import { outcomeOf } from "./checks.ts";
import type { Kill } from "./saboteur.ts";

/** Five claims, one of each kind, with their events. */
export function printExamples(
  views: readonly SessionView[],
  kills: readonly Kill[],
  say: (line: string) => void,
): void {
  const held = (view: SessionView): boolean => view.events.some((event) => event.type === "effect_held");
  const killed = (view: SessionView): boolean => view.runs.some((run) => kills.some((kill) => kill.run === run.run));
  const is = (view: SessionView, status: string): boolean => outcomeOf(view)?.status === status;
  const kinds: [string, (view: SessionView) => boolean][] = [
    ["paid", (view) => is(view, "paid") && !held(view) && !killed(view)],
    ["held, then paid", (view) => is(view, "paid") && held(view) && !killed(view)],
    ["denied", (view) => is(view, "denied")],
    ["rejected input", (view) => is(view, "rejected") && view.runs.length === 1],
    ["recovered after its worker was killed", killed],
  ];
  for (const [kind, matches] of kinds) {
    const view = views.find(matches);
    if (!view) continue;
    const agents = new Map(view.runs.map((run) => [run.run, run.agent]));
    say(`\n${view.session.key ?? view.session.session}: ${kind}`);
    for (const event of view.events) {
      if (event.type === "superstep_finished" || event.type === "node_finished" || event.type === "route_taken")
        continue;
      say(`  ${(agents.get(event.run) ?? "").padEnd(9)} ${describeEvent(event)}`);
    }
  }
}
