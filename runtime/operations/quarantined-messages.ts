import type { z } from "zod";
import { assertOperator } from "../core/authority.ts";
import type { Database, Sql } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import type { QuarantineReason } from "../core/messages.ts";
import type { Principal } from "../core/people.ts";
import type {
  quarantinedMessagesQuery,
  QuarantinedMessagesPage,
  QuarantinedMessageView,
} from "../core/messages-protocol.ts";
import { AlreadyDismissedError } from "./errors.ts";
import { assertReason } from "./reason.ts";

interface Row {
  readonly id: string;
  readonly reason: QuarantineReason;
  readonly detail: string;
  readonly subject: string;
  readonly bytes: number;
  readonly text: string;
  readonly first_at: number;
  readonly last_at: number;
  readonly times: number;
  readonly settled_at: number | null;
  readonly settled_by: string | null;
  readonly settled_reason: string | null;
}

const SELECT = `
select id, reason, detail, subject, bytes, text, times, settled_by, settled_reason,
  (extract(epoch from first_at) * 1000)::bigint as first_at, (extract(epoch from last_at) * 1000)::bigint as last_at,
  (extract(epoch from settled_at) * 1000)::bigint as settled_at
from quarantined_messages`;

/** What came on a receiver's subject and was not believed: what nobody has looked at, or all of it, oldest first. */
export async function listQuarantinedMessages(
  database: Database,
  query: z.output<typeof quarantinedMessagesQuery>,
): Promise<QuarantinedMessagesPage> {
  // What a query does not ask is not in the statement: Postgres must not have to guess.
  const conditions = [
    ...(query.all ? [] : ["settled_at is null"]),
    ...(query.after === undefined
      ? []
      : [
          `(quarantined_messages.first_at, id) > (
             select q.first_at, q.id from quarantined_messages q where q.id = $2)`,
        ]),
  ];
  const rows = await database.query<Row>(
    `${SELECT} ${conditions.length > 0 ? `where ${conditions.join(" and ")}` : ""}
     order by quarantined_messages.first_at, id limit $1`,
    [query.limit + 1, ...(query.after === undefined ? [] : [query.after])],
  );
  const page = rows.slice(0, query.limit);
  return {
    messages: page.map(toView),
    next: rows.length > query.limit ? (page.at(-1)?.id ?? null) : null,
  };
}

/**
 * Says that a person has looked at it. Nothing is done with it, now or later; if it comes again, it is open again.
 *
 * @throws `NotFoundError`, {@link AlreadyDismissedError}, `ForbiddenError`, `InvalidInputError` for a reason that
 *   cannot be recorded.
 */
export async function dismissQuarantinedMessage(
  database: Database,
  by: Principal,
  { id, reason }: { readonly id: string; readonly reason: string },
): Promise<QuarantinedMessageView> {
  assertOperator(by, "dismiss a quarantined message");
  assertReason(reason);
  return database.transaction(async (sql) => {
    await sql.query("select 1 from quarantined_messages where id = $1 for update", [id]);
    const { dismissed } = await find(sql, id);
    if (dismissed) {
      throw new AlreadyDismissedError(
        `${dismissed.by} has dismissed the quarantined message ${id} before (${dismissed.reason}). Nothing was changed.`,
        { details: { quarantined: id, by: dismissed.by } },
      );
    }
    await sql.query(
      `update quarantined_messages set settled_at = clock_timestamp(), settled_by = $2, settled_reason = $3
       where id = $1`,
      [id, by.name, reason],
    );
    return find(sql, id);
  });
}

async function find(sql: Sql, id: string): Promise<QuarantinedMessageView> {
  const [row] = await sql.query<Row>(`${SELECT} where id = $1`, [id]);
  if (row) return toView(row);
  throw new NotFoundError(
    `There is no quarantined message ${id}. "npx signalbox messages quarantine ls --all" shows them.`,
    { details: { quarantined: id } },
  );
}

function toView(row: Row): QuarantinedMessageView {
  return {
    quarantined: row.id,
    reason: row.reason,
    detail: row.detail,
    subject: row.subject,
    bytes: row.bytes,
    text: row.text,
    firstAt: row.first_at,
    lastAt: row.last_at,
    times: row.times,
    dismissed:
      row.settled_at === null
        ? null
        : { by: row.settled_by ?? "", reason: row.settled_reason ?? "", at: row.settled_at },
  };
}
