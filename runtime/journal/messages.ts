import type { Envelope, SignedEnvelope } from "../core/bus.ts";
import { sha256 } from "../core/canonical.ts";
import type { Clock } from "../core/clock.ts";
import type { Database, Sql } from "../core/database.ts";
import { ENDED_STATUSES, type RunStatus, type Wait } from "../core/events.ts";
import type { Arrival, DeadReason, Listener, Messages, QuarantinedMessage, Routed } from "../core/messages.ts";
import type { NewRun } from "../core/journal.ts";
import { topicMatches } from "../core/topics.ts";
import { createRun } from "./create-run.ts";
import {
  ARRIVED,
  BURY,
  FAILED,
  FIRST_OF,
  LEAVE,
  LOOK,
  MAIL_OF,
  MAY_REPLY,
  QUARANTINE,
  RAISE_BUDGET,
  RENEW_BUDGET,
  ROOM,
  STILL_WAITS,
} from "./messages-sql.ts";
import { hexToBytes } from "./payload.ts";
import { KNOCK } from "./sql.ts";
import { columnText } from "./views.ts";

/** How much of what is set aside is kept to be looked at. */
const QUARANTINED_CHARACTERS = 4_000;
/** Whoever floods the subjects must not fill the disk as well: beyond so many, nothing more is kept. */
const MOST_QUARANTINED = 10_000;
/** How much of a mailbox is read at once. */
const MAIL_AT_ONCE = 20;

export interface MessagesOptions {
  readonly database: Database;
  readonly clock: Clock;
  /** How many messages a session may send, unless it was started with less. */
  readonly budget: number;
}

interface ArrivedRow {
  readonly envelope: string;
  readonly received: boolean;
  readonly over: boolean;
  readonly replayed: boolean;
  readonly first: string | null;
}

/** Messages in Postgres, beside the journal that causes them. */
export function createMessages({ database, clock, budget }: MessagesOptions): Messages {
  return {
    async listen(listeners: readonly Listener[]) {
      for (const { agent, topics, queue } of listeners) {
        await database.query(
          `insert into listeners (agent, topics, queue) values ($1, $2, $3)
           on conflict (agent) do update set topics = excluded.topics, queue = excluded.queue, seen_at = clock_timestamp(),
             forgotten_at = null, forgotten_by = null, forgotten_reason = null`,
          [agent, topics, queue],
        );
      }
    },
    async listenersOf(topic) {
      const rows = await database.query<{ agent: string; topics: string[] }>(
        "select agent, topics from listening order by agent",
        [],
        "listeners",
      );
      return rows.flatMap(({ agent, topics }) =>
        topics.some((pattern) => topicMatches(pattern, topic)) ? [agent] : [],
      );
    },
    async room(agent) {
      const [row] = await database.query<{ room: number }>(ROOM, [agent], "room");
      return row?.room ?? Infinity;
    },
    async mayReply({ re, by, to, run }) {
      const [row] = await database.query<{ may: boolean }>(MAY_REPLY, [re, by, to, run], "may_reply");
      return row?.may === true;
    },
    async budgetLeft(session) {
      const [row] = await database.query<{ left: number }>(
        "select budget - sent as left from message_budgets where session_id = $1",
        [session],
        "budget_left",
      );
      return Math.max(0, row?.left ?? budget);
    },
    async arrived(message, copy): Promise<Arrival | null> {
      const [own] = await database.query<ArrivedRow>(copy ? ARRIVED : LOOK, [message], copy ? "arrived" : "look");
      if (!own) return null;
      return {
        stored: own.envelope,
        state: own.over ? "over" : own.received ? "received" : "waiting",
        replayed: own.replayed,
        first: own.first === null ? null : parse(own.first),
      };
    },
    route: (message, start, isAwaited) =>
      database.transaction((sql) => route(sql, { clock, message, start, isAwaited })),
    async firstOf(agent, key) {
      const [row] = await database.query<{ envelope: string }>(FIRST_OF, [agent, key], "first_of");
      return row ? parse(row.envelope) : null;
    },
    async mailOf(run, after) {
      const rows = await database.query<{ place: number; envelope: string }>(
        MAIL_OF,
        [run, after, MAIL_AT_ONCE],
        "mail_of",
      );
      return rows.map(({ place, envelope }) => ({ place, message: parse(envelope) }));
    },
    bury: ({ envelope }, reason, detail) => bury(database, envelope.id, reason, detail),
    async failed(message) {
      const [row] = await database.query<{ tries: number }>(FAILED, [message], "message_failed");
      return row?.tries ?? 0;
    },
    quarantine: (message) => quarantine(database, message),
  };
}

/**
 * Whoever brings a message to a queue holds the queue's row, and so does the end of the run that has it: a message is
 * in the mailbox before the run ends and is then given back, or it comes to the run after that.
 */
async function route(
  sql: Sql,
  {
    clock,
    message,
    start,
    isAwaited,
  }: {
    readonly clock: Clock;
    readonly message: SignedEnvelope;
    readonly start: NewRun | { readonly dead: DeadReason; readonly detail: string };
    readonly isAwaited: (waits: readonly Wait[]) => boolean;
  },
): Promise<Routed> {
  const { envelope } = message;
  const { id, to, key, target } = envelope;
  if (key === undefined) {
    if (target === null) return dead(sql, id, "invalid_input", "It names neither a run nor a queue.");
    if (await leave(sql, envelope, target, isAwaited)) return { kind: "left", run: target };
    return dead(sql, id, "run_ended", `There is no run ${target} of ${to} any more, which it is for.`);
  }
  const holder = await lockQueue(sql, to, key);
  if (!(await waits(sql, id))) return { kind: "done" };
  const first = await firstWaiting(sql, to, key);
  if (first && first.envelope.id !== id) return { kind: "behind", first };
  // What the agent does not take holds up nobody, and reaches nobody.
  if ("dead" in start) {
    await sql.query("delete from message_queues where agent = $1 and key = $2 and run_id is null", [to, key]);
    return dead(sql, id, start.dead, start.detail);
  }
  if (holder !== null && (await leave(sql, envelope, holder, isAwaited))) return { kind: "left", run: holder };
  if (!(await createRun(sql, clock, start))) return { kind: "done" };
  await sql.query(
    "update outbox set received_at = clock_timestamp(), taken_at = clock_timestamp(), to_run = $2 where msg_id = $1",
    [id, start.run],
  );
  await sql.query("update message_queues set run_id = $3 where agent = $1 and key = $2", [to, key, start.run]);
  if (start.budget !== undefined && start.budget !== null) {
    await sql.query("insert into message_budgets (session_id, budget) values ($1, $2) on conflict do nothing", [
      start.session,
      start.budget,
    ]);
  }
  return { kind: "started", run: start.run };
}

/** Somebody else may have been faster. */
async function waits(sql: Sql, id: string): Promise<boolean> {
  const rows = await sql.query(STILL_WAITS, [id], "still_waits");
  return rows.length > 0;
}

/** Locks the row of a queue. @returns the run that has it, or null */
async function lockQueue(sql: Sql, agent: string, key: string): Promise<string | null> {
  for (;;) {
    await sql.query("insert into message_queues (agent, key) values ($1, $2) on conflict do nothing", [agent, key]);
    const [queue] = await sql.query<{ run_id: string | null }>(
      "select run_id from message_queues where agent = $1 and key = $2 for update",
      [agent, key],
    );
    // Gone, if the run that had it has just ended.
    if (queue) return queue.run_id;
  }
}

async function firstWaiting(sql: Sql, agent: string, key: string): Promise<SignedEnvelope | null> {
  const [row] = await sql.query<{ envelope: string }>(FIRST_OF, [agent, key], "first_of");
  return row ? parse(row.envelope) : null;
}

/** Leaves a message in a run's mailbox. @returns false if the run has ended, or is not one of the receiver's */
async function leave(
  sql: Sql,
  { id, to, run: sender, session, budgetLeft }: Envelope,
  run: string,
  isAwaited: (waits: readonly Wait[]) => boolean,
): Promise<boolean> {
  // The run's row before the message's, as its own end has them.
  const [receiver] = await sql.query<{ status: RunStatus; waits: string; session_id: string }>(
    "select status, waits, session_id from runs where run_id = $1 and agent = $2 for update",
    [run, to],
    "receiver",
  );
  if (!receiver || ENDED_STATUSES.includes(receiver.status)) return false;
  const [left] = await sql.query(LEAVE, [id, run], "leave");
  // It has been left already, by whoever was faster.
  if (!left) return true;
  const sleeps = receiver.status === "parked" && !isAwaited(JSON.parse(receiver.waits) as Wait[]);
  if (!sleeps) await sql.query(KNOCK, [run], "knock");
  // What bounds agents that only answer each other does not bound those that somebody else keeps busy.
  if (sender === null) await sql.query(RENEW_BUDGET, [receiver.session_id], "renew_budget");
  else if (session !== receiver.session_id && budgetLeft !== null) {
    await sql.query(RAISE_BUDGET, [receiver.session_id, budgetLeft], "raise_budget");
  }
  return true;
}

async function dead(sql: Sql, id: string, reason: DeadReason, detail: string): Promise<Routed> {
  await bury(sql, id, reason, detail);
  return { kind: "dead", reason };
}

async function bury(sql: Sql, id: string, reason: DeadReason, detail: string): Promise<void> {
  await sql.query(BURY, [id, reason, columnText(detail)], "bury");
}

async function quarantine(
  database: Database,
  { reason, detail, subject, bytes, text }: QuarantinedMessage,
): Promise<void> {
  await database.query(
    QUARANTINE,
    [
      hexToBytes(sha256(`${reason}\n${subject}\n${text}`)),
      reason,
      columnText(detail),
      columnText(subject),
      bytes,
      columnText(text.slice(0, QUARANTINED_CHARACTERS)),
      MOST_QUARANTINED,
    ],
    "quarantine",
  );
}

function parse(text: string): SignedEnvelope {
  return JSON.parse(text) as SignedEnvelope;
}
