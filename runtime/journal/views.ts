import { canonicalJson } from "../core/canonical.ts";
import type { Sql } from "../core/database.ts";
import { ConflictError } from "../core/errors.ts";
import type { RunHead, ViewWrite } from "../core/journal.ts";
import { CLOSE_MAILBOX } from "./messages-sql.ts";
import { DELIVER } from "./sql.ts";

/**
 * Locks the rows that others lock before a run's own, so that nobody waits in a circle. It waits for none of
 * them either, because other runs' appends stand behind it: Postgres's error 55P03 says that one is locked.
 */
export async function lockViews(
  sql: Sql,
  writes: readonly { readonly run: string; readonly session: string; readonly view: ViewWrite }[],
): Promise<void> {
  const runsOf = (...views: readonly ViewWrite["view"][]): string[] => [
    ...new Set(writes.flatMap(({ run, view }) => (views.includes(view.view) ? [run] : []))),
  ];
  const approvals = runsOf("approval_consumed", "approvals_voided", "approval_voided");
  if (approvals.length > 0) {
    await sql.query("select 1 from approvals where run_id = any($1::uuid[]) order by approval_id for update nowait", [
      approvals,
    ]);
  }
  const doubts = runsOf("doubt_raised", "doubt_resolved");
  if (doubts.length > 0) {
    await sql.query("select 1 from doubts where run_id = any($1::uuid[]) order by run_id, effect for update nowait", [
      doubts,
    ]);
  }
  const questions = runsOf("questions_voided");
  if (questions.length > 0) {
    await sql.query("select 1 from questions where run_id = any($1::uuid[]) order by question_id for update nowait", [
      questions,
    ]);
  }
  // Whoever brings a message to a queue locks it before the run that has it.
  const mailboxes = runsOf("mailbox_closed");
  if (mailboxes.length > 0) {
    await sql.query(
      "select 1 from message_queues where run_id = any($1::uuid[]) order by agent, key for update nowait",
      [mailboxes],
    );
  }
  const budgets = writes.flatMap(({ session, view }) => (view.view === "budget_used" ? [session] : []));
  if (budgets.length > 0) {
    await sql.query(
      "select 1 from message_budgets where session_id = any($1::uuid[]) order by session_id for update nowait",
      [budgets],
    );
  }
  // Their own appends lock them as well, in another order: two writers that end each other's askers would wait in a
  // circle until one of them is thrown out.
  const children = [...new Set(writes.flatMap(({ view }) => (view.view === "child_cancelled" ? [view.child] : [])))];
  if (children.length > 0) {
    await sql.query("select 1 from runs where run_id = any($1::uuid[]) order by run_id for update nowait", [children]);
  }
}

/**
 * Text as Postgres can hold it in a column: without U+0000, which models and tools can say. The events hold the
 * text as it was said.
 */
export function columnText(text: string): string {
  return text.replaceAll("\u0000", "\uFFFD");
}

/**
 * Writes one row beside the events, inside their transaction. Each is idempotent, and follows from the
 * events: the views can be rebuilt from them.
 *
 * @throws {@link ConflictError} where the row must be in a certain state and is not; that refuses the
 *   whole append of the run.
 */
export async function writeView(sql: Sql, head: RunHead, write: ViewWrite): Promise<void> {
  switch (write.view) {
    case "approval_requested":
      await sql.query(
        `insert into approvals (approval_id, run_id, session_id, effect, agent, tool, tool_version, input, args_hash,
           verdict, pool, approvers, starter_kind, starter_id, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         on conflict (approval_id) do nothing`,
        [
          write.approval,
          head.run,
          head.session,
          columnText(write.effect),
          head.agent,
          columnText(write.tool),
          columnText(write.toolVersion),
          canonicalJson(write.input),
          write.argsHash,
          canonicalJson(write.verdict),
          columnText(write.pool),
          write.approvers,
          write.startedBy.kind,
          columnText(write.startedBy.id),
          new Date(write.expiresAt),
        ],
      );
      return;
    case "approval_consumed": {
      const consumed = await sql.query(
        `update approvals set status = 'consumed'
         where approval_id = $1 and run_id = $2 and status = 'approved' returning approval_id`,
        [write.approval, head.run],
      );
      if (consumed.length === 0) {
        throw new ConflictError(
          `The approval ${write.approval} is not there to be used: it was used, voided or withdrawn meanwhile. The call was not made.`,
          { details: { approval: write.approval } },
        );
      }
      return;
    }
    case "approvals_voided":
      await sql.query(
        `update approvals set status = 'void', decided_at = clock_timestamp()
         where run_id = $1 and status in ('pending', 'approved')`,
        [head.run],
      );
      return;
    case "doubt_raised":
      await sql.query(
        `insert into doubts (run_id, effect, session_id, effect_id, agent, tool, input, reason)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (run_id, effect) do update set resolved_at = null, reason = excluded.reason, since = clock_timestamp()`,
        [
          head.run,
          columnText(write.effect),
          head.session,
          write.effectId,
          head.agent,
          columnText(write.tool),
          canonicalJson(write.input),
          columnText(write.reason),
        ],
      );
      return;
    case "doubt_resolved":
      await sql.query("update doubts set resolved_at = clock_timestamp() where run_id = $1 and effect = $2", [
        head.run,
        columnText(write.effect),
      ]);
      return;
    case "question_asked":
      await sql.query(
        `insert into questions (question_id, run_id, session_id, effect, agent, pool, question, answer_schema)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (question_id) do nothing`,
        [
          write.id,
          head.run,
          head.session,
          columnText(write.effect),
          head.agent,
          columnText(write.pool),
          columnText(write.question),
          canonicalJson(write.answer),
        ],
      );
      return;
    case "questions_voided":
      await sql.query("update questions set status = 'void' where run_id = $1 and status = 'open'", [head.run]);
      return;
    case "snapshot_dropped":
      await sql.query("delete from snapshots where run_id = $1", [head.run]);
      return;
    case "child_cancelled": {
      // First the message: whoever creates the run from it waits for this, and then finds that it is withdrawn.
      await sql.query(
        `update outbox set withdrawn_at = clock_timestamp(), received_at = coalesce(received_at, clock_timestamp()),
           taken_at = coalesce(taken_at, clock_timestamp())
         where msg_id = $1`,
        [write.ask],
      );
      const { by, reason, cause } = write;
      await sql.query(DELIVER, [write.child, `cancel:${write.child}`, "cancel", canonicalJson({ by, reason, cause })]);
      return;
    }
    case "message_out": {
      const { envelope } = write.message;
      const { id, to, kind, from, run, key } = envelope;
      await sql.query(
        `insert into outbox (msg_id, to_agent, envelope, kind, from_agent, from_run, key)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (msg_id) do nothing`,
        [id, to, canonicalJson(write.message), kind, from, run, key ?? null],
      );
      return;
    }
    case "budget_used": {
      const used = await sql.query(
        `insert into message_budgets as b (session_id, sent, budget) values ($1, $2, $3)
         on conflict (session_id) do update set sent = b.sent + excluded.sent where b.sent + excluded.sent <= b.budget
         returning session_id`,
        [head.session, write.messages, write.budget],
      );
      if (used.length > 0) return;
      throw new ConflictError(
        `Another run of the session ${head.session} has sent the last message that the session may send. Nothing was sent.`,
        { details: { session: head.session } },
      );
    }
    case "mail_taken": {
      const taken = await sql.query(
        `update outbox set taken_at = clock_timestamp()
         where msg_id = $1 and to_run = $2 and taken_at is null and dead_at is null returning msg_id`,
        [write.message, head.run],
      );
      if (taken.length > 0) return;
      throw new ConflictError(`The message ${write.message} does not lie in the mailbox of the run ${head.run}.`, {
        details: { message: write.message, run: head.run },
      });
    }
    case "mailbox_closed":
      await sql.query("delete from message_queues where run_id = $1", [head.run]);
      await sql.query(CLOSE_MAILBOX, [head.run]);
      return;
    case "approval_voided":
      await sql.query(
        `update approvals set status = 'void', decided_at = clock_timestamp()
         where approval_id = $1 and status in ('pending', 'approved')`,
        [write.approval],
      );
      return;
  }
}
