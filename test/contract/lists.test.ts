import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listApprovals, listDoubts, pendingApprovals } from "../../runtime/approvals/views.ts";
import { listQuestions, openQuestions } from "../../runtime/approvals/questions.ts";
import type { Database } from "../../runtime/core/database.ts";
import { RUN_STATUSES } from "../../runtime/core/events.ts";
import { DEAD_REASONS } from "../../runtime/core/messages.ts";
import type { Principal } from "../../runtime/core/people.ts";
import { openDatabase } from "../../runtime/journal/database.ts";
import { listDeadLetters } from "../../runtime/operations/dead-letters.ts";
import { listQuarantinedMessages } from "../../runtime/operations/quarantined-messages.ts";
import { listRuns } from "../../runtime/operations/runs.ts";
import { listSessions, type SessionsContext } from "../../runtime/replay/sessions.ts";
import { verify } from "../../runtime/audit/verify.ts";
import { fillHistory } from "../bench/history/fill.ts";
import { createTestDatabase } from "../support/database.ts";

const SIZE = { events: 300 * 60, sessions: 300 };
const READER: Principal = { name: "ada", kind: "person", roles: ["viewer"], pools: [] };

let testDatabase: Awaited<ReturnType<typeof createTestDatabase>> | undefined;
let database: Database;
let sessions: SessionsContext;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  await fillHistory(testDatabase.url, SIZE);
  database = openDatabase({ url: testDatabase.url });
  sessions = { database, journal: { readRuns: () => Promise.reject(new Error("Lists read no events.")) } };
});

afterAll(async () => {
  await database.end();
  await testDatabase?.[Symbol.asyncDispose]();
});

/** All rows of a list, a few at a time, by the cursors that it gives. */
async function walk<Page extends { readonly next: string | null }, Row>(
  read: (after: string | undefined) => Promise<Page>,
  rowsOf: (page: Page) => readonly Row[],
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let after: string | undefined; ;) {
    const page = await read(after);
    rows.push(...rowsOf(page));
    if (page.next === null) return rows;
    after = page.next;
  }
}

async function idsOf(statement: string, ...values: unknown[]): Promise<string[]> {
  return (await database.query<{ id: string }>(statement, values)).map(({ id }) => id);
}

test("the history that benchmarks ask for - has the size that was asked for, and a record that is right", async () => {
  expect(await verify(database, null)).toMatchObject({ verified: true, events: SIZE.events });
  expect(await idsOf("select run_id as id from runs where parent_id is null")).toHaveLength(SIZE.sessions);
});

describe("page by page - a list gives everything once, in its order:", () => {
  for (const agent of [undefined, "refunds", "nobody"]) {
    for (const status of [undefined, ...RUN_STATUSES]) {
      test(`sessions of ${agent ?? "any agent"}, ${status ?? "of any status"}`, async () => {
        const rows = await walk(
          (after) => listSessions(sessions, { agent, status, after, limit: 7 }),
          (page) => page.sessions,
        );
        expect(rows.map(({ session }) => session)).toEqual(
          await idsOf(
            `select run_id as id from runs where parent_id is null and ($1::text is null or agent = $1)
               and ($2::text is null or status = $2) order by started_at desc, run_id desc`,
            agent,
            status,
          ),
        );
      });
    }
  }

  const there = new Set(["refunds", "claims", "letters", "deploys", "research", "onboarding", "pricing"]);
  for (const agent of [undefined, "refunds", "legacy", "nobody"]) {
    for (const status of [undefined, "ready", "running", "parked", "quarantined"] as const) {
      for (const stuck of [false, true]) {
        test(`runs of ${agent ?? "any agent"}, ${status ?? "of any status"}${stuck ? ", that would not go on" : ""}`, async () => {
          const rows = await walk(
            (after) => listRuns(database, { agent, status, stuck, after, limit: 7 }),
            (page) => page.runs,
          );
          expect(rows.map(({ run }) => run)).toEqual(
            await idsOf(
              `select run_id as id from runs where status not in ('finished', 'failed', 'cancelled')
                 and ($1::text is null or agent = $1) and ($2::text is null or status = $2)
                 and (not $3 or agent <> all($4::text[]) or agent_version <> 'version-3')
               order by started_at, run_id`,
              ...[agent, status, stuck, [...there]],
            ),
          );
        });
      }
    }
  }

  test("approvals", async () => {
    const read = (status: "pending" | "decided" | "all") =>
      walk(
        (after) => listApprovals(database, READER, { status, after, limit: 3 }),
        (page) => page.approvals.map(({ approval }) => approval),
      );
    const pending = await idsOf(
      "select approval_id as id from approvals where status = 'pending' order by requested_at, approval_id",
    );
    const decided = await idsOf(
      "select approval_id as id from approvals where status <> 'pending' order by decided_at desc, approval_id desc",
    );
    expect(pending.length).toBeGreaterThan(6);
    expect(decided.length).toBeGreaterThan(6);
    expect(await read("pending")).toEqual(pending);
    expect(await read("decided")).toEqual(decided);
    expect(await read("all")).toEqual([...pending, ...decided]);
    expect([...(await pendingApprovals(database)).keys()]).toEqual(pending);
    // One that is decided between two pages loses nothing of what comes after it.
    const first = await listApprovals(database, READER, { status: "all", limit: 3 });
    const decide = "update approvals set status = $2 where approval_id = $1";
    await database.query(decide, [first.approvals.at(-1)?.approval, "rejected"]);
    const second = await listApprovals(database, READER, { status: "all", after: first.next ?? "", limit: 3 });
    expect(second.approvals.map(({ approval }) => approval)).toEqual(pending.slice(3, 6));
    await database.query(decide, [first.approvals.at(-1)?.approval, "pending"]);
  });

  test("questions", async () => {
    const read = (status: "open" | "past" | "all") =>
      walk(
        (after) => listQuestions(database, { status, after, limit: 3 }),
        (page) => page.questions.map(({ question }) => question),
      );
    const open = await idsOf(
      "select question_id as id from questions where status = 'open' order by asked_at, question_id",
    );
    const past = await idsOf(
      `select question_id as id from questions where status <> 'open'
       order by coalesce(answered_at, asked_at) desc, question_id desc`,
    );
    expect(open.length).toBeGreaterThan(3);
    expect(past.length).toBeGreaterThan(6);
    expect(await read("open")).toEqual(open);
    expect(await read("past")).toEqual(past);
    expect(await read("all")).toEqual([...open, ...past]);
    expect([...(await openQuestions(database)).keys()]).toEqual(open);
  });

  test("calls in doubt", async () => {
    const rows = await walk(
      (after) => listDoubts(database, { after, limit: 2 }),
      (page) => page.doubts,
    );
    expect(rows.length).toBeGreaterThan(2);
    expect(rows.map(({ run }) => run)).toEqual(
      await idsOf("select run_id as id from doubts where resolved_at is null order by since, run_id, effect"),
    );
  });

  for (const agent of [undefined, "refunds", "nobody"]) {
    for (const reason of [undefined, ...DEAD_REASONS]) {
      for (const all of [false, true]) {
        test(`dead letters of ${agent ?? "any agent"}, for ${reason ?? "any reason"}${all ? ", settled ones too" : ""}`, async () => {
          const rows = await walk(
            (after) => listDeadLetters(database, { agent, reason, all, after, limit: 4 }),
            (page) => page.deadLetters,
          );
          expect(rows.map(({ deadLetter }) => deadLetter)).toEqual(
            await idsOf(
              `select id from dead_letters where ($1::text is null or agent = $1)
                 and ($2::text is null or reason = $2) and ($3 or settled_at is null) order by died_at, id`,
              ...[agent, reason, all],
            ),
          );
        });
      }
    }
  }

  for (const all of [false, true]) {
    test(`messages in quarantine${all ? ", dismissed ones too" : ""}`, async () => {
      const rows = await walk(
        (after) => listQuarantinedMessages(database, { all, after, limit: 4 }),
        (page) => page.messages,
      );
      expect(rows.length).toBeGreaterThan(20);
      expect(rows.map(({ quarantined }) => quarantined)).toEqual(
        await idsOf("select id from quarantined_messages where $1 or settled_at is null order by first_at, id", all),
      );
    });
  }
});

test("a cursor that is none - begins the list at its start", async () => {
  const first = await listSessions(sessions, { limit: 3 });
  expect(await listSessions(sessions, { limit: 3, after: "x" })).toEqual(first);
  expect(await listDoubts(database, { limit: 1, after: "x" })).toEqual(await listDoubts(database, { limit: 1 }));
});
