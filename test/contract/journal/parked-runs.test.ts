import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { canonicalJson } from "../../../runtime/core/canonical.ts";
import { eventHash, GENESIS, payloadHash } from "../../../runtime/core/chain.ts";
import { verify } from "../../../runtime/audit/verify.ts";
import { systemClock } from "../../../runtime/core/clock.ts";
import type { Database, Sql, Transaction } from "../../../runtime/core/database.ts";
import type { NewEvent } from "../../../runtime/core/events.ts";
import type { Verdict } from "../../../runtime/core/verdict.ts";
import { createHousekeeping } from "../../../runtime/journal/housekeeping.ts";
import { PostgresJournal } from "../../../runtime/journal/journal.ts";
import { createTestDatabase } from "../../support/database.ts";
import { claimAny, openJournal } from "../../support/journal.ts";

/** What a statement read and wrote, apart from planning: pages of 8 KB, and rows that its scans gave. */
interface Cost {
  readonly pages: number;
  readonly rows: number;
}

interface Plan {
  readonly "Shared Hit Blocks": number;
  readonly "Shared Read Blocks": number;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Rows Removed by Index Recheck"?: number;
  readonly Plans?: readonly Plan[];
}

function rowsOf(plan: Plan): number {
  const own =
    plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0) + (plan["Rows Removed by Index Recheck"] ?? 0);
  return own * plan["Actual Loops"] + (plan.Plans ?? []).reduce((sum, inner) => sum + rowsOf(inner), 0);
}

/** Runs every statement, and first explains what it does: the statements are the real ones, as they are sent. */
class Explaining implements Database {
  readonly costs = new Map<string, Cost>();
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async query<Row extends object>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]> {
    await this.#explain(this.#database, text, values);
    return this.#database.query<Row>(text, values, name);
  }

  transaction<T>(work: (sql: Transaction) => Promise<T>): Promise<T> {
    return this.#database.transaction((sql) =>
      work({
        forEach: (select, take) => sql.forEach(select, take),
        query: async <Row extends object>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]> => {
          await this.#explain(sql, text, values);
          return sql.query<Row>(text, values, name);
        },
      }),
    );
  }

  end(): Promise<void> {
    return this.#database.end();
  }

  async #explain(sql: Sql, text: string, values?: readonly unknown[]): Promise<void> {
    const [row] = await sql.query<{ "QUERY PLAN": readonly { readonly Plan: Plan }[] }>(
      `explain (analyze, buffers, timing off, format json) ${text}`,
      values,
    );
    const plan = row?.["QUERY PLAN"][0]?.Plan;
    if (!plan) throw new Error("There is no plan.");
    const what = text.trim().replace(/\s+/g, " ").slice(0, 60);
    this.costs.set(what, { pages: plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], rows: rowsOf(plan) });
  }
}

/** One run that has parked before a call that waits for a decision: its events, chained as the journal chains them. */
function parkedRun(n: number): { readonly run: string; readonly approval: string; readonly rows: readonly EventRow[] } {
  const [run, approval, effect] = [randomUUID(), randomUUID(), "1/pay#t:pay"];
  const startedBy = { kind: "person", id: "ada" } as const;
  const verdict = { decision: "require_approval" as const, rules: [], reason: "r", ruleSet: "s" } satisfies Verdict;
  const held = { effect, node: "1/pay", kind: "tool", name: "pay", class: "irreversible", nth: 0 } as const;
  const events: readonly NewEvent[] = [
    { type: "run_started", data: { session: run, agent: "refunds", input: { n }, startedBy, depth: 0 } },
    { type: "attempt_started", data: { epoch: 1, worker: "w1" } },
    {
      type: "effect_held",
      data: { ...held, fingerprint: "f", input: { n }, verdict, approval, argsHash: "h", expiresAt: NEXT_WEEK },
    },
    { type: "run_parked", data: { waits: [{ kind: "approval", effect, approval }] } },
  ];
  let prev = GENESIS;
  const rows = events.map(({ type, data }, i) => {
    const text = canonicalJson(data);
    const place = { run, seq: i + 1, type, v: 1, at: NOW };
    prev = eventHash(place, prev, payloadHash(text, null));
    return { seq: place.seq, type, text, hash: prev };
  });
  return { run, approval, rows };
}

interface EventRow {
  readonly seq: number;
  readonly type: string;
  readonly text: string;
  readonly hash: string;
}

const NOW = Date.now();
const NEXT_WEEK = NOW + 7 * 86_400_000;

/**
 * Makes so many runs that wait for a decision, each as the journal leaves it behind; a quarter of them for a time
 * besides, another for an answer to a message.
 */
async function park(database: Database, count: number): Promise<string[]> {
  const runs = Array.from({ length: count }, (_, n) => parkedRun(n));
  const ids = runs.map(({ run }) => run);
  const heads = runs.map(({ rows }) => rows.at(-1)?.hash ?? "");
  await database.query(
    `insert into runs (run_id, session_id, agent, agent_version, starter_kind, starter_id, depth, status, epoch, head_seq,
       head_hash, started_at, waits, mailbox_seq, mailbox_taken, wake_at)
     select run, run, 'refunds', 'refunds', 'person', 'ada', 0, 'parked', 1, 4, decode(hash, 'hex'), $3, waits, 1, 1,
       case when n % 4 = 0 then clock_timestamp() + interval '1 day' end
     from unnest($1::uuid[], $2::text[], $4::text[]) with ordinality as r(run, hash, waits, n)`,
    [
      ids,
      heads,
      NOW,
      runs.map(({ rows }) => JSON.stringify((JSON.parse(rows[3]?.text ?? "") as { waits: unknown }).waits)),
    ],
  );
  const events = runs.flatMap(({ run, rows }) => rows.map((row) => ({ run, ...row })));
  await database.query(
    `insert into events (run_id, seq, type, v, at, data, hash)
     select run, seq, type, 1, $6, data, decode(hash, 'hex')
     from unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[]) as e(run, seq, type, data, hash)`,
    [
      ...[events.map(({ run }) => run), events.map(({ seq }) => seq), events.map(({ type }) => type)],
      ...[events.map(({ text }) => text), events.map(({ hash }) => hash), NOW],
    ],
  );
  await database.query(
    `insert into approvals (approval_id, run_id, session_id, effect, agent, tool, tool_version, input, args_hash, verdict,
       pool, approvers, starter_kind, starter_id, expires_at)
     select approval, run, run, '1/pay#t:pay', 'refunds', 'pay', '1', '{}', 'h', '{}', 'finance', 1, 'person', 'ada', $3
     from unnest($1::uuid[], $2::uuid[]) as a(approval, run)`,
    [runs.map(({ approval }) => approval), ids, new Date(NEXT_WEEK)],
  );
  await database.query(
    `insert into outbox (msg_id, to_agent, envelope, received_at)
     select gen_random_uuid(), 'answers', '{}', clock_timestamp() from generate_series(1, $1 / 4)`,
    [count],
  );
  await database.query(
    `insert into run_mailbox (run_id, seq, msg_id, kind, data)
     select run, 1, 'm', 'answer', '{}' from unnest($1::uuid[]) as r(run)`,
    [ids],
  );
  return ids;
}

/** What each statement costs that a worker sends at every sweep while it has nothing to do, or next to nothing. */
async function sweep(database: Database): Promise<ReadonlyMap<string, Cost>> {
  await database.query("vacuum analyze runs, approvals, outbox, run_mailbox, workers");
  const explaining = new Explaining(database);
  await using stored = openJournal("postgres://nobody@127.0.0.1:1/none");
  const journal = new PostgresJournal({ database: explaining, writer: stored.writer, clock: systemClock });
  const housekeeping = createHousekeeping(explaining);
  expect(Object.values(await housekeeping.overdue())).not.toContain(true);
  await housekeeping.wakeDueRuns();
  await housekeeping.freeLeftBehind([]);
  await housekeeping.expireApprovals();
  for (const take of ["all", "sound", "suspects"] as const) {
    expect(await journal.claimAny({ ...claimAny("w2", ["refunds", "answers"], 20), take })).toEqual([]);
    expect(explaining.costs.size).toBeGreaterThan(3);
  }
  expect(await housekeeping.suspectsWait(new Map([["refunds", "refunds"]]))).toBe(false);
  expect(await housekeeping.unreceivedMessages()).toEqual([]);
  await housekeeping.workerSeen("w2");
  // Of runs under way only, and there are none: a name that nobody has, so that it is sent at all.
  expect(await journal.withMail([randomUUID()])).toEqual([]);
  return explaining.costs;
}

/** What an index of 10,000 rows is deeper than one of 100, in pages, over all the looks of a statement. */
const DEEPER = 12;

test("10,000 parked runs - cost a worker's sweep no more rows than 100, and no more pages than their indexes are deeper", async () => {
  await using testDatabase = await createTestDatabase();
  await using stored = openJournal(testDatabase.url);
  const { database } = stored;
  const few = await park(database, 100);
  expect(await verify(database, few[0] ?? "")).toMatchObject({ verified: true, events: 4 });
  const at100 = await sweep(database);
  for (let batch = 0; batch < 3; batch++) await park(database, 3_300);
  const at10000 = await sweep(database);
  expect([...at10000.keys()]).toEqual([...at100.keys()]);
  expect(at10000.size).toBeGreaterThanOrEqual(8);
  const grown = [...at10000].filter(([what, cost]) => {
    const before = at100.get(what) ?? { rows: 0, pages: 0 };
    return cost.rows > before.rows || cost.pages > before.pages + DEEPER;
  });
  expect(grown.map(([what, cost]) => ({ what, before: at100.get(what), cost }))).toEqual([]);
});
