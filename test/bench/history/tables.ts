import type { Sql } from "../../../runtime/core/database.ts";
import { TableWriter } from "./table-writer.ts";

/** Rows that refer to others wait until those are there. */
const AT_THE_END = Infinity;

/** The tables that a history fills, each with the columns that it says something of. In the order of their references. */
export function openTables(connection: Sql) {
  const sql = oneByOne(connection);
  return {
    runs: new TableWriter(sql, "runs", {
      ...{ run_id: "uuid", session_id: "uuid", parent_id: "uuid", agent: "text", agent_version: "text" },
      ...{ start_key: "text", starter_kind: "text", starter_id: "text", depth: "int", status: "text", epoch: "int" },
      ...{ head_seq: "int", head_hash: "bytea", lease_owner: "text", lease_until: "timestamptz" },
      ...{ ready_at: "timestamptz", wake_at: "timestamptz", waits: "text", started_at: "bigint", ended_at: "bigint" },
      crashes: "int",
    }),
    events: new TableWriter(sql, "events", {
      ...{ run_id: "uuid", seq: "int", type: "text", v: "smallint", at: "bigint", data: "text", hash: "bytea" },
    }),
    blobs: new TableWriter(sql, "blobs", { hash: "bytea", data: "text" }, 10),
    approvals: new TableWriter(
      sql,
      "approvals",
      {
        ...{ approval_id: "uuid", run_id: "uuid", session_id: "uuid", effect: "text", agent: "text", tool: "text" },
        ...{ tool_version: "text", input: "text", args_hash: "text", verdict: "text", pool: "text", approvers: "int" },
        ...{ starter_kind: "text", starter_id: "text", status: "text", requested_at: "timestamptz" },
        ...{ expires_at: "timestamptz", decided_at: "timestamptz" },
      },
      AT_THE_END,
    ),
    decisions: new TableWriter(
      sql,
      "approval_decisions",
      {
        ...{ approval_id: "uuid", person: "text", decision: "text", reason: "text", at: "timestamptz" },
      },
      AT_THE_END,
    ),
    questions: new TableWriter(
      sql,
      "questions",
      {
        ...{ question_id: "uuid", run_id: "uuid", session_id: "uuid", effect: "text", agent: "text", pool: "text" },
        ...{ question: "text", answer_schema: "text", status: "text", asked_at: "timestamptz" },
        ...{ answered_at: "timestamptz", answered_by: "text", answer: "text" },
      },
      AT_THE_END,
    ),
    doubts: new TableWriter(
      sql,
      "doubts",
      {
        ...{ run_id: "uuid", effect: "text", session_id: "uuid", effect_id: "text", agent: "text", tool: "text" },
        ...{ input: "text", reason: "text", since: "timestamptz", resolved_at: "timestamptz" },
      },
      AT_THE_END,
    ),
    outbox: new TableWriter(sql, "outbox", {
      ...{ msg_id: "uuid", to_agent: "text", envelope: "text", created_at: "timestamptz", received_at: "timestamptz" },
      ...{ resend_at: "timestamptz", kind: "text", from_agent: "text", from_run: "uuid", key: "text", to_run: "uuid" },
      ...{ taken_at: "timestamptz", tries: "int", dead_at: "timestamptz" },
    }),
    deadLetters: new TableWriter(
      sql,
      "dead_letters",
      {
        ...{ msg_id: "uuid", agent: "text", reason: "text", detail: "text", tries: "int", died_at: "timestamptz" },
        ...{ settled_at: "timestamptz", settlement: "text", settled_by: "text", settled_reason: "text" },
      },
      AT_THE_END,
    ),
    quarantined: new TableWriter(sql, "quarantined_messages", {
      ...{ fingerprint: "bytea", reason: "text", detail: "text", subject: "text", bytes: "int", text: "text" },
      ...{ first_at: "timestamptz", last_at: "timestamptz", settled_at: "timestamptz", settled_by: "text" },
      settled_reason: "text",
    }),
    messageQueues: new TableWriter(sql, "message_queues", { agent: "text", key: "text", run_id: "uuid" }),
  };
}

export type Tables = ReturnType<typeof openTables>;

/** A connection takes one statement at a time. */
function oneByOne(connection: Sql): Sql {
  let under: Promise<unknown> = Promise.resolve();
  return {
    query(text, values, name) {
      const asked = under.then(() => connection.query<never>(text, values, name));
      under = asked.catch(() => undefined);
      return asked;
    },
  };
}
