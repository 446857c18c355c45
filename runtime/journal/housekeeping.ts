import type { SignedEnvelope } from "../core/bus.ts";
import { canonicalJson } from "../core/canonical.ts";
import type { Database } from "../core/database.ts";
import type { EventData } from "../core/events.ts";
import type { Housekeeping, Overdue } from "../core/housekeeping.ts";
import { DELIVER, FREE_LEFT_BEHIND, OVERDUE, SUSPECTS_WAIT } from "./sql.ts";
import { PLACE_MS } from "./turns.ts";

/** A message that nobody received is sent again after this time, and then each time that it has become twice as old. */
const RESEND_AFTER_MS = 3_000;
/** The longest time between two sendings. What nobody takes must not fill the stream with copies. */
const LONGEST_RESEND_MS = 600_000;
/**
 * At most this many of anything in one sweep: the next one takes the rest. What is due is looked for with
 * `(select clock_timestamp())`: only a time that is asked for once can be looked up in an index.
 */
const SWEEP_LIMIT = 100;

/** @param heartbeat says that a worker is there; by default what does everything else */
export function createHousekeeping(database: Database, heartbeat: Database = database): Housekeeping {
  return {
    async registerWorker({ worker, publicKey, leaseMs, versions }) {
      await database.query(
        `insert into workers (worker_id, public_key, agents, versions, lease_ms) values ($1, $2, $3, $4, $5)
         on conflict (worker_id) do update set seen_at = clock_timestamp()`,
        [worker, publicKey, [...versions.keys()], [...versions.values()], leaseMs],
      );
    },
    async workerSeen(worker) {
      await heartbeat.query(
        "update workers set seen_at = clock_timestamp() where worker_id = $1",
        [worker],
        "worker_seen",
      );
    },
    async workerGone(worker) {
      await database.query("update workers set seen_at = '-infinity' where worker_id = $1", [worker]);
    },
    async workerKey(worker) {
      const [row] = await database.query<{ public_key: string; agents: string[] }>(
        "select public_key, agents from workers where worker_id = $1",
        [worker],
      );
      return row ? { publicKey: row.public_key, agents: row.agents } : null;
    },
    async overdue() {
      const [due] = await database.query<Overdue>(OVERDUE, [PLACE_MS], "overdue");
      if (!due) throw new Error("The database did not say what is overdue.");
      return due;
    },
    async freeLeftBehind(except) {
      await database.query(FREE_LEFT_BEHIND, [except, SWEEP_LIMIT], "free_left_behind");
    },
    async suspectsWait(versions) {
      const [row] = await database.query<{ wait: boolean }>(
        SUSPECTS_WAIT,
        [[...versions.keys()], [...versions.values()]],
        "suspects_wait",
      );
      return row?.wait === true;
    },
    async wakeDueRuns() {
      await database.query(
        `update runs set status = 'ready', ready_at = clock_timestamp() - interval '1 minute', wake_at = null
         where run_id in (
           select run_id from runs where status = 'parked' and wake_at <= (select clock_timestamp())
           order by wake_at limit $1 for update skip locked)`,
        [SWEEP_LIMIT],
        "wake_due_runs",
      );
    },
    expireApprovals: () => expireApprovals(database),
    async messageReceived(message) {
      await database.query(
        "update outbox set received_at = clock_timestamp(), taken_at = clock_timestamp() where msg_id = $1 and received_at is null",
        [message],
        "message_received",
      );
    },
    async unreceivedMessages() {
      const rows = await database.query<{ envelope: string; sends: number }>(
        `update outbox set sends = sends + 1, resend_at = clock_timestamp() + greatest($2 * interval '1 millisecond',
           least(clock_timestamp() - created_at, $3 * interval '1 millisecond'))
         where msg_id in (
           select msg_id from outbox
           where received_at is null and dead_at is null and resend_at <= (select clock_timestamp())
           order by resend_at limit $1 for update skip locked)
         returning envelope, sends`,
        [SWEEP_LIMIT, RESEND_AFTER_MS, LONGEST_RESEND_MS],
        "unreceived_messages",
      );
      return rows.map((row) => ({ message: JSON.parse(row.envelope) as SignedEnvelope, copy: row.sends }));
    },
    async hasRuleSet(hash) {
      return (await database.query("select from rule_sets where hash = $1", [hash])).length > 0;
    },
    async keepRuleSet(hash, content) {
      await database.query("insert into rule_sets (hash, content) values ($1, $2) on conflict do nothing", [
        hash,
        content,
      ]);
    },
  };
}

/** Approvals and their runs are locked together, and what somebody else holds is left to the next sweep. */
async function expireApprovals(database: Database): Promise<void> {
  await database.transaction(async (sql) => {
    const expired = await sql.query<{ approval_id: string; run_id: string; effect: string; args_hash: string }>(
      `update approvals set status = 'expired', decided_at = clock_timestamp()
       where approval_id in (
         select approval_id from approvals a join runs r using (run_id)
         where a.status = 'pending' and a.expires_at <= (select clock_timestamp())
         order by a.expires_at limit $1 for update of a, r skip locked)
       returning approval_id, run_id, effect, args_hash`,
      [SWEEP_LIMIT],
    );
    for (const approval of expired) {
      const decided: Omit<EventData<"approval_decided">, "message"> = {
        approval: approval.approval_id,
        effect: approval.effect,
        argsHash: approval.args_hash,
        outcome: "expired",
        decisions: [],
      };
      await sql.query(DELIVER, [
        approval.run_id,
        `expired:${approval.approval_id}`,
        "approval",
        canonicalJson(decided),
      ]);
    }
  });
}
