import type { z } from "zod";
import { assertOperator } from "../core/authority.ts";
import type { MessageKind, SignedEnvelope } from "../core/bus.ts";
import type { Database, Sql } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import { DEAD_REASONS, type DeadReason } from "../core/messages.ts";
import type { Principal } from "../core/people.ts";
import type {
  deadLettersQuery,
  DeadLetterDetails,
  DeadLettersPage,
  DeadLetterView,
} from "../core/messages-protocol.ts";
import { DeadLetterSettledError, NotRedrivableError } from "./errors.ts";
import { assertReason } from "./reason.ts";

interface Row {
  readonly id: string;
  readonly msg_id: string;
  readonly agent: string;
  readonly reason: DeadReason;
  readonly detail: string;
  readonly tries: number;
  readonly died_at: number;
  readonly settled_at: number | null;
  readonly settlement: "redriven" | "dropped" | null;
  readonly settled_by: string | null;
  readonly settled_reason: string | null;
  readonly kind: MessageKind;
  readonly envelope: string;
}

const SELECT = `
select d.id, d.msg_id, d.agent, d.reason, d.detail, d.tries, d.settlement, d.settled_by, d.settled_reason, o.kind,
  o.envelope, (extract(epoch from d.died_at) * 1000)::bigint as died_at,
  (extract(epoch from d.settled_at) * 1000)::bigint as settled_at
from dead_letters d join outbox o using (msg_id)`;

/**
 * Messages that are not tried any more: those that nobody has seen to, oldest first; with `all`, every one, oldest
 * first. The next page comes after the last one's time and id.
 */
export async function listDeadLetters(
  database: Database,
  query: z.output<typeof deadLettersQuery>,
): Promise<DeadLettersPage> {
  const rows = await database.query<Row>(...pageOfDeadLetters(query, query.limit + 1));
  const page = rows.slice(0, query.limit);
  return {
    deadLetters: page.map((row) => toView(row).view),
    next: rows.length > query.limit ? (page.at(-1)?.id ?? null) : null,
  };
}

/** Each reason is looked at for itself: there is an index that begins with it, and one with the agent before it. */
function pageOfDeadLetters(query: z.output<typeof deadLettersQuery>, limit: number): [string, unknown[]] {
  const { agent, reason, all, after } = query;
  const values: unknown[] = [limit, reason === undefined ? DEAD_REASONS : [reason]];
  const param = (value: unknown): string => `$${String(values.push(value))}`;
  const open = all ? "" : " and settled_at is null";
  const ofAgent = agent === undefined ? "" : ` and agent = ${param(agent)}`;
  const later =
    after === undefined ? "" : ` and (died_at, id) > (select died_at, id from dead_letters where id = ${param(after)})`;
  return [
    `with page as materialized (
       select l.* from unnest($2::text[]) as r(wanted) cross join lateral (
         select id, died_at from dead_letters where reason = r.wanted${ofAgent}${open}${later}
         order by died_at, id limit $1) l
       order by l.died_at, l.id limit $1)
     select shown.* from page cross join lateral (${SELECT} where d.id = page.id limit 1) shown
     order by page.died_at, page.id`,
    values,
  ];
}

/** With what the message says. @throws `NotFoundError` */
export async function deadLetterDetails(database: Sql, id: string): Promise<DeadLetterDetails> {
  const { view, envelope } = await find(database, id);
  const { body, labels, startedBy } = envelope.envelope;
  return { ...view, startedBy, labels, body };
}

/**
 * Has a message tried once more, from the beginning: a worker's next sweep brings it, in the place that it has in the
 * order.
 *
 * @throws `NotFoundError`, {@link NotRedrivableError}, {@link DeadLetterSettledError}, `ForbiddenError`,
 *   `InvalidInputError` for a reason that cannot be recorded.
 */
export async function redriveDeadLetter(
  database: Database,
  by: Principal,
  given: { readonly id: string; readonly reason: string },
): Promise<DeadLetterDetails> {
  assertOperator(by, "redrive a dead letter");
  return settle(database, by, { ...given, settlement: "redriven" });
}

/**
 * Leaves a message undelivered for good.
 *
 * @throws as {@link redriveDeadLetter}, but for what cannot be redriven.
 */
export async function dropDeadLetter(
  database: Database,
  by: Principal,
  given: { readonly id: string; readonly reason: string },
): Promise<DeadLetterDetails> {
  assertOperator(by, "drop a dead letter");
  return settle(database, by, { ...given, settlement: "dropped" });
}

async function settle(
  database: Database,
  by: Principal,
  given: { readonly id: string; readonly reason: string; readonly settlement: "redriven" | "dropped" },
): Promise<DeadLetterDetails> {
  assertReason(given.reason);
  return database.transaction(async (sql) => {
    const { view: seen } = await find(sql, given.id);
    // First the message, as whoever buries it does; two people at once come one after the other.
    await sql.query("select 1 from outbox where msg_id = $1 for update", [seen.message]);
    const { view } = await find(sql, given.id);
    if (view.settled) {
      const { as, by: who, reason } = view.settled;
      throw new DeadLetterSettledError(
        `${who} has ${as} the dead letter ${given.id} before (${reason}). Nothing was changed; "npx signalbox messages dead ls" shows what is open.`,
        { details: { deadLetter: given.id, settlement: as, by: who } },
      );
    }
    if (given.settlement === "redriven") {
      if (view.cannotRedrive !== null) {
        throw new NotRedrivableError(view.cannotRedrive, {
          details: { deadLetter: given.id, kind: view.kind, reason: view.reason },
        });
      }
      await sql.query(
        `update outbox set dead_at = null, received_at = null, to_run = null, tries = 0, resend_at = clock_timestamp()
         where msg_id = $1`,
        [view.message],
      );
    }
    await sql.query(
      `update dead_letters set settled_at = clock_timestamp(), settlement = $2, settled_by = $3, settled_reason = $4
       where id = $1`,
      [given.id, given.settlement, by.name, given.reason],
    );
    return deadLetterDetails(sql, given.id);
  });
}

async function find(sql: Sql, id: string): Promise<ReturnType<typeof toView>> {
  const [row] = await sql.query<Row>(`${SELECT} where d.id = $1`, [id]);
  if (row) return toView(row);
  throw new NotFoundError(`There is no dead letter ${id}. "npx signalbox messages dead ls --all" shows them.`, {
    details: { deadLetter: id },
  });
}

function toView(row: Row): { readonly view: DeadLetterView; readonly envelope: SignedEnvelope } {
  const envelope = JSON.parse(row.envelope) as SignedEnvelope;
  const { from, run, session, target, topic, key, sentAt } = envelope.envelope;
  const view: DeadLetterView = {
    deadLetter: row.id,
    message: row.msg_id,
    kind: row.kind,
    agent: row.agent,
    from,
    run,
    session: run === null ? null : session,
    target,
    topic: topic ?? null,
    key: key ?? null,
    reason: row.reason,
    detail: row.detail,
    tries: row.tries,
    sentAt,
    diedAt: row.died_at,
    settled:
      row.settled_at === null || row.settlement === null
        ? null
        : { as: row.settlement, by: row.settled_by ?? "", reason: row.settled_reason ?? "", at: row.settled_at },
    cannotRedrive: cannotRedrive(row, envelope),
  };
  return { view, envelope };
}

/** Why sending it once more would be no use, and what to do instead. */
function cannotRedrive({ id, kind, reason, agent }: Row, { envelope: { run, key } }: SignedEnvelope): string | null {
  const drop = `Drop it ("npx signalbox messages dead drop ${id} --reason ...")`;
  if (reason === "forged") {
    return `The dead letter ${id} is not signed as it should be, so nobody knows who wrote it. ${drop}, and look at who can write to the database.`;
  }
  if (kind === "ask") {
    return `The dead letter ${id} is an ask, and the run ${run ?? "that asked"} has been told that it could not be brought to ${agent}: it has gone on without the answer. ${drop}, and start that run's session again if it failed.`;
  }
  if (reason === "run_ended" && key === undefined) {
    return `The dead letter ${id} is for one run of ${agent}, which has ended: there is nobody to bring it to. ${drop}, or start a run of ${agent} with what it says.`;
  }
  return null;
}
