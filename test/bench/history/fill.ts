import { createHash, randomUUID } from "node:crypto";
import { QUARANTINE_REASONS } from "../../../runtime/core/messages.ts";
import { openConnection } from "../../../runtime/journal/database.ts";
import { envelopeOf } from "./envelope.ts";
import { DAY_MS } from "./run-record.ts";
import { CHILD_EVENTS, LEAST_EVENTS, writeSession, type Fate, type PastSession } from "./session-of-the-past.ts";
import { openTables, type Tables } from "./tables.ts";

/** The agents that have begun sessions; `pricing` is asked by all of them. */
const AGENTS = ["refunds", "claims", "letters", "deploys", "research", "onboarding", "pricing"] as const;
/** One session in all of them is of this agent, and one is in quarantine. */
export const RARE_AGENT = "archivist";
/** An agent that no worker has any more. */
const LOST_AGENT = "legacy";
const DAYS = 90;

/** Shares of the sessions, by what became of them; the rest has finished. */
const FATES: readonly (readonly [Fate, number])[] = [
  ["failed", 0.06],
  ["cancelled", 0.04],
  ["approval", 0.03],
  ["question", 0.02],
  ["doubt", 0.01],
  ["timer", 0.04],
  ["answer", 0.05],
  ["ready", 0.03],
  ["running", 0.02],
];

/**
 * Fills an empty database with a history: sessions as months of work leave them, every event with its payload in
 * canonical form and its hash in the chain.
 *
 * @param size exactly so many events in exactly so many sessions
 */
export async function fillHistory(
  databaseUrl: string,
  size: { readonly events: number; readonly sessions: number },
): Promise<void> {
  const sql = await openConnection({ url: databaseUrl, applicationName: "signalbox-bench-fill" });
  try {
    // What is lost when the machine stops is made again.
    await sql.query("set synchronous_commit = off");
    const tables = openTables(sql);
    for (const past of sessions(size)) {
      writeSession(tables, past);
      await tables.events.relieve();
      await tables.runs.relieve();
      await tables.blobs.relieve();
    }
    addMessages(tables, Math.ceil(size.sessions / 10));
    for (const table of Object.values(tables)) await table.end();
    await sql.query(
      `insert into workers (worker_id, public_key, agents, versions, started_at, seen_at, lease_ms)
       select 'worker-' || i, 'none', $1, $2, now() - interval '1 day', case when i <= 2 then now() + interval '1 day' else '-infinity' end, 15000
       from generate_series(1, 500) i`,
      [AGENTS, AGENTS.map(() => "version-3")],
    );
    await sql.query(
      "insert into listeners (agent, topics, queue) select agent, '{orders.>}', 1000 from unnest($1::text[]) agent",
      [AGENTS],
    );
  } finally {
    await sql.end();
  }
}

function* sessions(size: { readonly events: number; readonly sessions: number }): Generator<PastSession> {
  const { events, sessions: count } = size;
  const mean = Math.floor(events / count);
  const swing = Math.max(0, Math.min(mean - LEAST_EVENTS - CHILD_EVENTS, 25));
  if (mean < LEAST_EVENTS + CHILD_EVENTS) {
    throw new Error(`A session needs ${String(LEAST_EVENTS + CHILD_EVENTS)} events or more, not ${String(mean)}.`);
  }
  const began = Date.now() - DAYS * DAY_MS;
  let left = events;
  for (let i = 0; i < count; i++) {
    // Spread over all agents, ages and sizes.
    const share = ((i * 7_919) % count) / count;
    const quarantined = i === Math.floor(count / 2);
    const rare = i === Math.floor(count / 3);
    const fate = quarantined ? "quarantined" : rare ? "finished" : fateOf(share);
    const size = i === count - 1 ? left : mean + (i % 2 === 0 ? 1 : -1) * ((i >> 1) % (swing + 1));
    left -= size;
    yield {
      fate,
      agent: rare ? RARE_AGENT : i % 97 === 5 ? LOST_AGENT : (AGENTS[i % AGENTS.length] ?? ""),
      version: `version-${String(1 + Math.floor((3 * i) / count))}`,
      startedAt: began + Math.floor((i * DAYS * DAY_MS) / count),
      events: size,
      children: fate === "answer" ? 1 : Math.min(i % 3, Math.floor((size - LEAST_EVENTS) / CHILD_EVENTS)),
      settled: new Set(i % 5 === 0 ? ["approval"] : i % 5 === 1 ? ["question"] : i % 25 === 2 ? ["doubt"] : []),
      key: i % 2 === 0 ? `order-${String(i)}` : null,
      large: i % 1_000 === 3,
    };
  }
}

function fateOf(share: number): Fate {
  let upTo = 0;
  for (const [fate, part] of FATES) {
    upTo += part;
    if (share < upTo) return fate;
  }
  return "finished";
}

/** Messages from outside that wait, that came to nothing, and that nobody believed: so many of each, open and settled. */
function addMessages(tables: Tables, count: number): void {
  const now = Date.now();
  for (let i = 0; i < count; i++) {
    const at = new Date(now - (count - i) * 60_000);
    const to = AGENTS[i % AGENTS.length] ?? "";
    const key = `order-${String(i)}`;
    addMessage(tables, randomUUID(), to, key, at, null);
    for (const settled of [false, true]) {
      const id = randomUUID();
      addMessage(tables, id, to, key, at, at);
      const reason = i === 0 ? "forged" : i % 3 === 0 ? "run_ended" : i % 3 === 1 ? "invalid_input" : "too_many_tries";
      const who = settled ? ([at, "dropped", "grace", "The order is gone."] as const) : [];
      tables.deadLetters.add(id, i === 1 ? RARE_AGENT : to, reason, "It could not be brought.", 5, at, ...who);
      const what = `{"hello": ${String(i)}, "settled": ${String(settled)}}`;
      tables.quarantined.add(
        ...[
          createHash("sha256").update(what).digest(),
          QUARANTINE_REASONS[i % QUARANTINE_REASONS.length] ?? "",
          "It is not signed.",
        ],
        ...[`mail.${to}`, what.length, what, at, at, ...(settled ? [at, "grace", "A test of ours."] : [])],
      );
    }
  }
}

function addMessage(tables: Tables, id: string, to: string, key: string, at: Date, deadAt: Date | null): void {
  const body = {
    orderId: key,
    lines: Array.from({ length: 8 }, (_, i) => ({ item: `cup-${String(i)}`, priceCents: 900 })),
  };
  const envelope = envelopeOf({
    ...{ id, kind: "publish", from: "person:ada", to, session: randomUUID(), run: null, cause: null, target: null },
    ...{ effect: "outside", topic: "orders.new", key, depth: 0, sentAt: at.getTime(), body },
  });
  const later = new Date(at.getTime() + DAYS * DAY_MS);
  tables.outbox.add(id, to, envelope, at, null, later, "publish", "person:ada", null, key, null, null, 0, deadAt);
}
