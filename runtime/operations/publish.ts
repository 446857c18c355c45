import { assertOperator } from "../core/authority.ts";
import type { Envelope, SignedEnvelope } from "../core/bus.ts";
import { canonicalJson, sha256 } from "../core/canonical.ts";
import type { Database, Sql } from "../core/database.ts";
import { InvalidInputError } from "../core/errors.ts";
import { derivedUuid, randomIds } from "../core/ids.ts";
import type { JsonValue } from "../core/json.ts";
import type { Messages } from "../core/messages.ts";
import { actorOf, type Principal } from "../core/people.ts";
import type { Published } from "../core/messages-protocol.ts";
import { isTopic, MAX_TOPIC_LENGTH } from "../core/topics.ts";
import { PublishIdUsedError, QueueFullError } from "./errors.ts";

/** A publisher that has found a queue full is told to come back after so long. */
const RETRY_AFTER_S = 5;

/** What somebody outside publishes. The body is encoded already, as messages carry it. */
export interface Publication {
  readonly topic: string;
  readonly body: JsonValue;
  readonly key?: string | undefined;
  readonly id?: string | undefined;
  readonly labels: readonly string[];
}

export interface PublishContext {
  readonly database: Database;
  readonly messages: Pick<Messages, "listenersOf" | "room">;
  /** With a key that belongs to no agent: that is how workers know a message from outside. */
  readonly sign: (envelope: Envelope) => SignedEnvelope;
}

interface Known {
  readonly same: boolean;
  readonly receivers: string[];
  readonly messages: string[];
}

/**
 * Publishes on a topic from outside of all runs, to every agent that listens: to all or, if as much waits for one of
 * them as may, to none. Each message is written down; a worker's next sweep brings it.
 *
 * Under an `id`, publishing again changes nothing and gives the same answer. What nobody listened to is not kept: it
 * may be published again under its id.
 *
 * @throws `ForbiddenError`, `InvalidInputError`, {@link QueueFullError}, {@link PublishIdUsedError}
 */
export async function publishFromOutside(
  context: PublishContext,
  by: Principal,
  publication: Publication,
): Promise<{ readonly published: Published; readonly created: boolean }> {
  assertOperator(by, "publish from outside");
  const { topic, id, key = topic } = publication;
  assertNames(topic, key, [...publication.labels, ...(id === undefined ? [] : [id])]);
  const publisher = `${by.kind}:${by.name}`;
  const one = id === undefined ? randomIds.next() : derivedUuid("publication", JSON.stringify([publisher, topic, id]));
  const fingerprint = sha256(canonicalJson({ key, labels: [...publication.labels], body: publication.body }));
  const before = await known(context.database, one, fingerprint);
  if (before) return again(before, publication);
  const receivers = await context.messages.listenersOf(topic);
  if (receivers.length === 0) return { published: { receivers: [], messages: [] }, created: true };
  for (const agent of receivers) await assertRoom(context, agent, topic);
  return context.database.transaction(async (sql) => {
    const messages = receivers.map((to) => derivedUuid(one, to, "message"));
    const [made] = await sql.query<{ now: number }>(
      `insert into publications (publication_id, fingerprint, receivers, messages)
       values ($1, decode($2, 'hex'), $3, $4) on conflict do nothing
       returning (extract(epoch from clock_timestamp()) * 1000)::bigint as now`,
      [one, fingerprint, receivers, messages],
    );
    if (!made) {
      const faster = await known(sql, one, fingerprint);
      if (faster) return again(faster, publication);
      throw new Error(`The publication ${one} is gone.`);
    }
    const common = {
      v: 1,
      kind: "publish",
      from: publisher,
      session: derivedUuid(one, "session"),
      run: null,
      cause: null,
      target: null,
      effect: "outside",
      topic,
      key,
      startedBy: actorOf(by),
      depth: 0,
      deadline: null,
      budgetLeft: null,
      labels: publication.labels,
      // The database's clock, by which workers reckon.
      sentAt: made.now,
      body: publication.body,
    } as const;
    for (const [i, to] of receivers.entries()) {
      const message = context.sign({ ...common, id: messages[i] ?? "", to });
      // Not sent yet: the sweep that brings it sends the first copy.
      await sql.query(
        `insert into outbox (msg_id, to_agent, envelope, kind, from_agent, key, sends, resend_at)
         values ($1, $2, $3, 'publish', $4, $5, 0, clock_timestamp())`,
        [messages[i], to, canonicalJson(message), publisher, key],
      );
    }
    return { published: { receivers, messages }, created: true };
  });
}

async function known(sql: Sql, publication: string, fingerprint: string): Promise<Known | null> {
  const [row] = await sql.query<Known>(
    `select fingerprint = decode($2, 'hex') as same, receivers, messages from publications where publication_id = $1`,
    [publication, fingerprint],
  );
  return row ?? null;
}

function again(
  { same, receivers, messages }: Known,
  { topic, id }: Publication,
): { readonly published: Published; readonly created: boolean } {
  if (same) return { published: { receivers, messages }, created: false };
  throw new PublishIdUsedError(
    `You have published something else on ${topic} under the id "${id ?? ""}". Nothing was sent: use another id, or the same body, key and labels.`,
    { details: { topic, id: id ?? null } },
  );
}

async function assertRoom({ messages }: PublishContext, agent: string, topic: string): Promise<void> {
  if ((await messages.room(agent)) > 0) return;
  throw new QueueFullError(
    `The queue of ${agent} is full, so nobody was sent what is on ${topic}. Publish it again in ${String(RETRY_AFTER_S)} seconds; "npx signalbox queues" shows what waits.`,
    { details: { agent, topic, retryAfterS: RETRY_AFTER_S } },
  );
}

function assertNames(topic: string, key: string, others: readonly string[]): void {
  if (!isTopic(topic)) {
    throw new InvalidInputError(
      `${JSON.stringify(topic.slice(0, MAX_TOPIC_LENGTH))} is no topic. Use words with dots between them, for example "sensors.cold-chain.truck-7", at most ${String(MAX_TOPIC_LENGTH)} characters. Nothing was sent.`,
    );
  }
  for (const text of [key, ...others]) {
    if (text.length > 0 && text.length <= MAX_TOPIC_LENGTH && text.isWellFormed() && !text.includes("\u0000")) continue;
    throw new InvalidInputError(
      `A key, an id and a label have 1 to ${String(MAX_TOPIC_LENGTH)} characters of plain text. Nothing was sent.`,
    );
  }
}
