import type { z } from "zod";
import type { Database } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import type { Actor, Principal } from "../core/people.ts";
import type {
  approvalsQuery,
  ApprovalsPage,
  ApprovalView,
  DecisionView,
  doubtsQuery,
  DoubtsPage,
  DoubtView,
} from "../core/protocol.ts";
import type { Verdict } from "../core/verdict.ts";
import { cannotDecide } from "./decide.ts";
import { pageOfParts } from "./two-parts.ts";

interface ApprovalRow {
  readonly approval_id: string;
  readonly session_id: string;
  readonly session_key: string | null;
  readonly run_id: string;
  readonly effect: string;
  readonly agent: string;
  readonly tool: string;
  readonly tool_version: string;
  readonly input: string;
  readonly args_hash: string;
  readonly verdict: string;
  readonly pool: string;
  readonly approvers: number;
  readonly starter_kind: Actor["kind"];
  readonly starter_id: string;
  readonly status: ApprovalView["status"];
  readonly requested_at: number;
  readonly expires_at: number;
  readonly decisions: readonly DecisionView[] | null;
}

const SELECT = `
select approval_id, session_id, run_id, effect, agent, tool, tool_version, input, args_hash, verdict, pool, approvers,
  starter_kind, starter_id,
  -- Time is over when the database's clock says so, whoever has noticed.
  case when status = 'pending' and expires_at <= clock_timestamp() then 'expired' else status end as status,
  (extract(epoch from requested_at) * 1000)::bigint as requested_at,
  (extract(epoch from expires_at) * 1000)::bigint as expires_at,
  (select start_key from runs root where root.run_id = a.session_id) as session_key,
  (select json_agg(json_build_object('by', person, 'decision', decision, 'reason', reason,
      'at', (extract(epoch from at) * 1000)::bigint) order by at, person)
   from approval_decisions d where d.approval_id = a.approval_id) as decisions
from approvals a`;

/** Pending ones oldest first, then decided ones newest first. */
export async function listApprovals(
  database: Database,
  reader: Principal,
  query: z.output<typeof approvalsQuery>,
): Promise<ApprovalsPage> {
  const { rows, next } = await pageOfParts(
    query.status === "all" ? ["waits", "past"] : query.status === "pending" ? ["waits"] : ["past"],
    query,
    (part, after, limit) => readPart(database, part === "waits" ? PENDING : DECIDED, after, limit),
    (row) => row.approval_id,
  );
  return { approvals: rows.map((row) => toView(row, reader)), next };
}

/** How many of those that wait somebody is told of while they look. */
const WATCHED = 1_000;

interface PartOfList {
  readonly condition: string;
  readonly after: string;
  readonly order: string;
}

const PENDING: PartOfList = {
  condition: "status = 'pending'",
  after: "(requested_at, approval_id) > (select requested_at, approval_id from approvals where approval_id = $2)",
  order: "requested_at, approval_id",
};
const DECIDED: PartOfList = {
  condition: "status <> 'pending'",
  after: "(decided_at, approval_id) < (select decided_at, approval_id from approvals where approval_id = $2)",
  order: "decided_at desc, approval_id desc",
};

function readPart(
  database: Database,
  { condition, after, order }: PartOfList,
  cursor: string | null,
  limit: number,
): Promise<ApprovalRow[]> {
  return database.query<ApprovalRow>(
    `${SELECT} where ${condition}${cursor === null ? "" : ` and ${after}`} order by ${order} limit $1`,
    cursor === null ? [limit] : [limit, cursor],
  );
}

/** @throws {@link NotFoundError} */
export async function getApproval(database: Database, reader: Principal, approval: string): Promise<ApprovalView> {
  const [row] = await database.query<ApprovalRow>(`${SELECT} where approval_id = $1`, [approval]);
  if (!row) {
    throw new NotFoundError(`There is no approval ${approval}. "npx signalbox approvals ls" shows what waits.`, {
      details: { approval },
    });
  }
  return toView(row, reader);
}

/** In any order; ids that do not exist are left out. */
export async function theseApprovals(
  database: Database,
  reader: Principal,
  approvals: readonly string[],
): Promise<ApprovalView[]> {
  const rows = await database.query<ApprovalRow>(`${SELECT} where approval_id = any($1::uuid[])`, [approvals]);
  return rows.map((row) => toView(row, reader));
}

/** The oldest of what is pending, each with a text that changes whenever something about it does. */
export async function pendingApprovals(database: Database): Promise<Map<string, string>> {
  const rows = await database.query<{ approval_id: string; decisions: number }>(
    `select approval_id, (select count(*)::int from approval_decisions d where d.approval_id = a.approval_id) as decisions
     from approvals a where status = 'pending' and expires_at > clock_timestamp()
     order by requested_at, approval_id limit $1`,
    [WATCHED],
    "pending_approvals",
  );
  return new Map(rows.map((row) => [row.approval_id, String(row.decisions)]));
}

/** Oldest first. */
export async function listDoubts(database: Database, query: z.output<typeof doubtsQuery>): Promise<DoubtsPage> {
  const after = parseDoubt(query.after);
  const rows = await database.query<Omit<DoubtView, "input"> & { input: string }>(
    `select session_id as session, run_id as run, effect,
       (select start_key from runs root where root.run_id = doubts.session_id) as "sessionKey", effect_id as "effectId", agent, tool, input, reason,
       (extract(epoch from since) * 1000)::bigint as since
     from doubts where resolved_at is null
       ${after ? "and (since, run_id, effect) > (select since, run_id, effect from doubts where run_id = $2 and effect = $3)" : ""}
     order by doubts.since, run_id, effect limit $1`,
    [query.limit + 1, ...(after ?? [])],
  );
  const page = rows.slice(0, query.limit);
  const last = rows.length > query.limit ? page.at(-1) : undefined;
  return {
    doubts: page.map((row) => ({ ...row, input: JSON.parse(row.input) as JsonValue })),
    next: last ? `${last.run}.${last.effect}` : null,
  };
}

/** The run and the effect that a cursor names; null for what is none: then the list begins at its start. */
function parseDoubt(cursor: string | undefined): [string, string] | null {
  const match = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(.+)$/s.exec(cursor ?? "");
  return match ? [match[1] ?? "", match[2] ?? ""] : null;
}

function toView(row: ApprovalRow, reader: Principal): ApprovalView {
  return {
    approval: row.approval_id,
    session: row.session_id,
    sessionKey: row.session_key,
    run: row.run_id,
    effect: row.effect,
    agent: row.agent,
    tool: row.tool,
    toolVersion: row.tool_version,
    input: JSON.parse(row.input) as JsonValue,
    argsHash: row.args_hash,
    verdict: JSON.parse(row.verdict) as Verdict,
    pool: row.pool,
    approversNeeded: row.approvers,
    startedBy: { kind: row.starter_kind, id: row.starter_id },
    status: row.status,
    decisions: row.decisions ?? [],
    requestedAt: row.requested_at,
    expiresAt: row.expires_at,
    cannotDecide: cannotDecide(row, reader)?.message ?? null,
  };
}
