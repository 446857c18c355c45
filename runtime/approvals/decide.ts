import { assertDecider } from "../core/authority.ts";
import { canonicalJson } from "../core/canonical.ts";
import type { Database, Sql } from "../core/database.ts";
import { InvalidInputError, NotFoundError } from "../core/errors.ts";
import type { EventData } from "../core/events.ts";
import { actorOf, type Principal } from "../core/people.ts";
import {
  AlreadyDecidedError,
  ArgsMismatchError,
  NotInPoolError,
  ReasonMissingError,
  SelfApprovalError,
} from "./errors.ts";

export interface Decision {
  readonly approval: string;
  readonly decision: "approve" | "reject";
  readonly reason: string;
  /** What the person was shown: the approval's `argsHash`. */
  readonly argsHash: string;
}

/** Leaves a message for a run, in the caller's transaction. */
export type Deliver = (
  sql: Sql,
  run: string,
  message: { readonly id: string; readonly kind: "approval" | "doubt" | "human"; readonly data: string },
) => Promise<{ readonly agent: string } | null>;

interface ApprovalRow {
  readonly run_id: string;
  readonly effect: string;
  readonly args_hash: string;
  readonly pool: string;
  readonly approvers: number;
  readonly starter_id: string;
  readonly status: string;
  readonly expired: boolean;
}

interface DecisionRow {
  readonly person: string;
  readonly kind: "person" | "service";
  readonly decision: "approve" | "reject";
  readonly reason: string;
  readonly at: number;
}

/**
 * Takes one person's word on a held call. One rejection rejects it; as many approvals of different people
 * as the rule asks for approve it. The outcome reaches the run in the same transaction.
 *
 * @returns the run to wake, if the decision settled the approval.
 * @throws `ForbiddenError`, {@link NotFoundError}, {@link AlreadyDecidedError}, {@link ArgsMismatchError},
 *   {@link SelfApprovalError}, {@link NotInPoolError}, {@link ReasonMissingError}, {@link InvalidInputError}
 */
export async function decide(
  context: { readonly database: Database; readonly deliver: Deliver },
  by: Principal,
  decision: Decision,
): Promise<{ readonly run: string; readonly agent: string } | null> {
  assertDecider(by, "decide about a call");
  assertStorableReason(decision.reason);
  return context.database.transaction(async (sql) => {
    const [approval] = await sql.query<ApprovalRow>(
      `select run_id, effect, args_hash, pool, approvers, starter_id, status, expires_at <= clock_timestamp() as expired
       from approvals where approval_id = $1 for update`,
      [decision.approval],
    );
    if (!approval) {
      throw new NotFoundError(
        `There is no approval ${decision.approval}. "npx signalbox approvals ls" shows what waits.`,
      );
    }
    await assertMayDecide(sql, approval, by, decision);
    await sql.query(`insert into approval_decisions (approval_id, person, decision, reason) values ($1, $2, $3, $4)`, [
      decision.approval,
      by.name,
      decision.decision,
      decision.reason,
    ]);
    const decisions = await sql.query<DecisionRow>(
      `select d.person, u.kind, d.decision, d.reason, (extract(epoch from d.at) * 1000)::bigint as at
       from approval_decisions d left join users u on u.name = d.person where approval_id = $1 order by d.at, d.person`,
      [decision.approval],
    );
    const outcome = settle(decisions, approval.approvers);
    if (outcome === null) return null;
    await sql.query("update approvals set status = $2, decided_at = clock_timestamp() where approval_id = $1", [
      decision.approval,
      outcome,
    ]);
    const decided: Omit<EventData<"approval_decided">, "message"> = {
      approval: decision.approval,
      effect: approval.effect,
      argsHash: approval.args_hash,
      outcome,
      decisions: decisions.map((row) => ({
        by: actorOf({ name: row.person, kind: row.kind }),
        decision: row.decision,
        reason: row.reason,
        at: row.at,
      })),
    };
    const woken = await context.deliver(sql, approval.run_id, {
      id: `decided:${decision.approval}`,
      kind: "approval",
      data: canonicalJson(decided),
    });
    return woken ? { run: approval.run_id, agent: woken.agent } : null;
  });
}

async function assertMayDecide(sql: Sql, approval: ApprovalRow, by: Principal, decision: Decision): Promise<void> {
  if (approval.status !== "pending" || approval.expired) {
    const how = approval.status === "pending" ? "expired" : approval.status;
    const what = how === "consumed" ? "approved, and the call went ahead" : how;
    throw new AlreadyDecidedError(`This call is no longer waiting: it is ${what}. Your decision was not used.`, {
      details: { approval: decision.approval, status: how },
    });
  }
  if (approval.args_hash !== decision.argsHash) {
    throw new ArgsMismatchError(
      "What you decided on is not what this call would do. Look at it again before you decide.",
      {
        details: { approval: decision.approval },
      },
    );
  }
  const cannot = cannotDecide(approval, by);
  if (cannot) throw cannot;
  if (decision.decision === "reject" && decision.reason.trim() === "") {
    throw new ReasonMissingError("Say why you reject the call: the agent is told, and it stays on the record.");
  }
  const [earlier] = await sql.query<{ decision: string }>(
    "select decision from approval_decisions where approval_id = $1 and person = $2",
    [decision.approval, by.name],
  );
  if (earlier) {
    throw new AlreadyDecidedError(
      `You have decided on this call already (${earlier.decision}). It waits for ${String(approval.approvers)} different people.`,
      { details: { approval: decision.approval, decision: earlier.decision } },
    );
  }
}

/** @throws {@link InvalidInputError} for a reason that Postgres cannot store. */
export function assertStorableReason(reason: string): void {
  if (reason.isWellFormed() && !reason.includes("\u0000")) return;
  throw new InvalidInputError(
    "The reason holds a character that is none: U+0000, or half of a surrogate pair. Type it again without. Nothing was decided.",
  );
}

/** Why this person may not decide, or null if they may. */
export function cannotDecide(
  approval: { readonly pool: string; readonly starter_id: string },
  by: Principal,
): SelfApprovalError | NotInPoolError | null {
  if (approval.starter_id === by.name) {
    return new SelfApprovalError("You started this session, so somebody else has to decide about its calls.");
  }
  if (!by.pools.includes(approval.pool)) {
    return new NotInPoolError(
      `Calls like this one are decided by the pool "${approval.pool}", and you are not in it. An admin can add you: npx signalbox users pool ${by.name} ${approval.pool}`,
      { details: { pool: approval.pool } },
    );
  }
  return null;
}

function settle(decisions: readonly DecisionRow[], needed: number): "approved" | "rejected" | null {
  if (decisions.some((row) => row.decision === "reject")) return "rejected";
  return decisions.length >= needed ? "approved" : null;
}
