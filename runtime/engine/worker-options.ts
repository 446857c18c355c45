import type { Bus } from "../core/bus.ts";
import type { Housekeeping } from "../core/housekeeping.ts";
import type { RunEnd } from "../core/events.ts";
import type { Claimant, Take } from "../core/journal.ts";
import type { AttemptServices } from "./attempt-services.ts";
import type { CompiledAgent } from "./compile-agent.ts";

/** What a worker works with. */
export interface WorkerOptions extends AttemptServices {
  readonly agents: ReadonlyMap<string, CompiledAgent>;
  readonly bus: Bus;
  readonly housekeeping: Housekeeping;
  /** How many runs may be under way at once. A parked run is not under way. */
  readonly slots: number;
  readonly sweepMs: number;
  /** Which runs it takes with regard to crashes. */
  readonly take: Take;
  /** Told of each run that has ended here, with its last event, which is on disk. */
  readonly onEnded?: (run: string, last: RunEnd) => void;
  /** Told, at each sweep, that runs wait which only a worker that takes suspects may have. */
  readonly onSuspects?: () => void;
}

/** Which versions of its agents a worker has. */
export function versionsOf({ agents }: WorkerOptions): Claimant["versions"] {
  return new Map([...agents].map(([name, { version }]) => [name, version]));
}
