import type { Database } from "../../runtime/core/database.ts";
import type { Ledger } from "../../agents/claims/index.ts";
import type { WorkerChild } from "../../runtime/platform/worker-child.ts";

const POLL_MS = 4;

/** One worker that was killed between the recorded intent and the recorded end of a payout. */
export interface Kill {
  readonly run: string;
  readonly effectId: string;
  readonly pid: number;
  /** Whether the bank had booked the payment when the worker died. */
  readonly booked: boolean;
}

interface OpenPayout {
  readonly run_id: string;
  readonly lease_owner: string;
  readonly effect_id: string;
}

export interface Saboteur extends AsyncDisposable {
  readonly kills: readonly Kill[];
}

export interface SaboteurOptions {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly workers: readonly WorkerChild[];
}

/**
 * Waits for payouts whose intent is recorded and whose end is not, and kills the worker that makes the
 * call with SIGKILL: once before the bank has booked it, once after.
 */
export function startSaboteur(options: SaboteurOptions): Saboteur {
  const kills: Kill[] = [];
  const stopping = new AbortController();
  const work = (async () => {
    const wanted = [false, true];
    while (wanted.length > 0 && !stopping.signal.aborted) {
      const kill = await strike(options, wanted[0] === true, kills);
      if (kill) {
        kills.push(kill);
        wanted.shift();
      } else {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }
  })();
  return {
    kills,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await work;
    },
  };
}

/** Kills the worker of one open payout whose payment is (or is not) booked, if there is such a payout now. */
async function strike(options: SaboteurOptions, booked: boolean, before: readonly Kill[]): Promise<Kill | null> {
  for (const { run_id: run, lease_owner: owner, effect_id: effectId } of await openPayouts(options.database)) {
    if (before.some((kill) => kill.run === run)) continue;
    const worker = options.workers.find((candidate) => owner.startsWith(`worker-${String(candidate.pid)}-`));
    const pid = worker?.pid;
    if (!worker || pid === undefined) continue;
    if (((await options.ledger.findPayment(effectId)) !== undefined) !== booked) continue;
    worker.kill();
    return { run, effectId, pid, booked };
  }
  return null;
}

function openPayouts(database: Database): Promise<OpenPayout[]> {
  return database.query<OpenPayout>(
    `select e.run_id, r.lease_owner, e.data::json ->> 'id' as effect_id
     from events e join runs r using (run_id)
     where r.agent = 'payout' and r.status = 'running' and e.type = 'effect_intended'
       and not exists (select 1 from events f where f.run_id = e.run_id and f.type = 'effect_finished')`,
    [],
    "open_payouts",
  );
}
