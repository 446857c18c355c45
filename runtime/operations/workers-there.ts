import type { Database } from "../core/database.ts";
import type { StuckReason } from "../core/protocol.ts";

/** How long a worker counts as there after it was last seen. */
export const WORKER_SEEN_MS = 20_000;

/** Which agents the workers that are there have, and in which versions. */
export interface WorkersThere {
  readonly count: number;
  readonly versions: ReadonlyMap<string, ReadonlySet<string>>;
}

export async function workersThere(database: Database): Promise<WorkersThere> {
  const rows = await database.query<{ worker_id: string; agents: string[]; versions: string[] }>(
    // What has no agents only signs what people publish.
    `select worker_id, agents, versions from workers
     where seen_at > clock_timestamp() - $1 * interval '1 millisecond' and agents <> '{}'`,
    [WORKER_SEEN_MS],
    "workers_there",
  );
  const versions = new Map<string, Set<string>>();
  for (const row of rows) {
    row.agents.forEach((agent, i) => {
      const known = versions.get(agent) ?? new Set();
      versions.set(agent, known.add(row.versions[i] ?? ""));
    });
  }
  return { count: rows.length, versions };
}

/**
 * Why a run that has not ended would not go on, or null: no worker that is there has its agent, or has the version
 * that the run began with.
 */
export function stuckReason(
  there: WorkersThere,
  run: { readonly agent: string; readonly version: string; readonly toStop: boolean },
): StuckReason | null {
  // Any worker ends it.
  if (run.toStop) return there.count > 0 ? null : "no_worker";
  const versions = there.versions.get(run.agent);
  if (!versions) return "no_worker";
  return run.version === "" || versions.has(run.version) ? null : "no_worker_for_version";
}
