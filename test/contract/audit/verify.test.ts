import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { verify } from "../../../runtime/audit/verify.ts";
import { payloadHash } from "../../../runtime/core/chain.ts";
import type { NewEvent } from "../../../runtime/core/events.ts";
import { createTestDatabase } from "../../support/database.ts";
import { claimed, openJournal, step } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const { one } = useJournals();

const LARGE: NewEvent = {
  type: "node_finished",
  data: { node: "large", name: "a", update: { text: "é".repeat(300_000) }, ms: 1 },
};

/** A message that starts a run: without it there is none. */
async function sent(): Promise<string> {
  const message = randomUUID();
  await one.database.query("insert into outbox (msg_id, to_agent, envelope) values ($1, 'answers', '{}')", [message]);
  return message;
}

/** A session of a run with ten events, one of them too large for a row, and a run that its fourth event caused. */
async function session(): Promise<{ readonly root: string; readonly child: string }> {
  const { head } = await claimed(one.journal);
  const root = head.run;
  const events = [step(1), step(2), step(3), LARGE, step(5), step(6), step(7), step(8), step(9)];
  await one.journal.append(head, events).durable;
  const cause = (await one.journal.read(root))[3];
  if (!cause) throw new Error("Nothing was recorded.");
  const child = await claimed(one.journal, {
    ...{ session: root, parent: root, agent: "answers", depth: 1 },
    cause: { run: root, seq: 4, hash: cause.hash, message: await sent(), agent: "refunds", effect: "e" },
  });
  await one.journal.append(child.head, [step(1), step(2)]).durable;
  return { root, child: child.head.run };
}

const where = "where run_id = $1";
const FLIPPED = "set_bit(hash, 7, 1 - get_bit(hash, 7))";

/** Each break of a run's own record, and the event that is named. */
const BREAKS: readonly (readonly [string, string, number, RegExp])[] = [
  [
    "an altered payload",
    `update events set data = replace(data, '"n":3', '"n":4') ${where} and seq = 4`,
    4,
    /not what/,
  ],
  [
    "an altered first payload",
    `update events set data = replace(data, 'ada', 'eve') ${where} and seq = 1`,
    1,
    /not what/,
  ],
  ["an altered type", `update events set type = 'node_failed' ${where} and seq = 3`, 3, /not what/],
  ["an altered version of a shape", `update events set v = 2 ${where} and seq = 3`, 3, /not what/],
  ["an altered time", `update events set at = at + 1 ${where} and seq = 10`, 10, /not what/],
  ["an altered hash", `update events set hash = ${FLIPPED} ${where} and seq = 6`, 6, /not what/],
  ["a salt where there was none", `update events set salt = '\\x01' ${where} and seq = 6`, 6, /not what/],
  [
    "an erased payload with another hash",
    `update events set data = null, payload_hash = ${FLIPPED} ${where} and seq = 6`,
    ...([6, /not what/] as const),
  ],
  ["a missing event", `delete from events ${where} and seq = 5`, 5, /missing/],
  ["a missing first event", `delete from events ${where} and seq = 1`, 1, /missing/],
  ["a missing last event", `delete from events ${where} and seq = 10`, 10, /missing/],
  ["no event at all", `delete from events ${where}`, 1, /missing/],
  [
    "two swapped events",
    `update events e set data = o.data, hash = o.hash, at = o.at from events o
     where e.run_id = $1 and o.run_id = $1 and e.seq in (6, 7) and o.seq = 13 - e.seq`,
    ...([6, /not what/] as const),
  ],
  [
    "an event before the first",
    `insert into events select run_id, 0, type, v, at, data, salt, payload_hash, hash from events ${where} and seq = 1`,
    ...([1, /not where/] as const),
  ],
  [
    "an event after the last",
    `insert into events select run_id, 11, type, v, at, data, salt, payload_hash, hash from events ${where} and seq = 10`,
    ...([11, /not what/] as const),
  ],
  [
    "a head with another hash",
    `update runs set head_hash = set_bit(head_hash, 0, 1 - get_bit(head_hash, 0)) ${where}`,
    10,
    /goes on/,
  ],
  ["a head that is behind", `update runs set head_seq = 9 ${where}`, 10, /goes on/],
  ["a head that is ahead", `update runs set head_seq = 12 ${where}`, 11, /missing/],
  [
    "an altered payload that is stored apart",
    `update blobs set data = data || ' ' where hash = (
       select decode(substring(data from '[0-9a-f]{64}'), 'hex') from events ${where} and seq = 5)`,
    ...([5, /stored apart/] as const),
  ],
  [
    "a missing payload that is stored apart",
    `delete from blobs where hash = (select decode(substring(data from '[0-9a-f]{64}'), 'hex') from events ${where} and seq = 5)`,
    ...([5, /stored apart/] as const),
  ],
];

describe("verifying a session", () => {
  test("what was recorded - is verified, with what is stored apart and what was erased", async () => {
    const { root } = await session();
    expect(await verify(one.database, root)).toEqual({ verified: true, runs: 2, events: 13, firstBad: null });
    const [event] = await one.database.query<{ data: string }>(`select data from events ${where} and seq = 7`, [root]);
    await one.database.query(`update events set data = null, payload_hash = decode($2, 'hex') ${where} and seq = 7`, [
      root,
      payloadHash(event?.data ?? "", null),
    ]);
    expect(await verify(one.database, root)).toMatchObject({ verified: true, events: 13 });
  });

  test.each(BREAKS)("%s - is named", async (_what, statement, seq, problem) => {
    const { root } = await session();
    // A blob is every session's that has the same payload.
    const before = await one.database.query<{ hash: Buffer; data: string }>("select hash, data from blobs");
    await one.database.query(statement, [root]);
    const report = await verify(one.database, root);
    expect(report).toMatchObject({ verified: false, runs: 2, firstBad: { run: root, seq } });
    expect(report.firstBad?.problem).toMatch(problem);
    await one.database.query(
      `insert into blobs select * from unnest($1::bytea[], $2::text[]) on conflict (hash) do update set data = excluded.data`,
      [before.map(({ hash }) => hash), before.map(({ data }) => data)],
    );
  });

  test.each([
    ["the hash of another event", `set_byte`],
    ["an event that is not there", "seq"],
    ["no event at all", "run"],
  ])("a start that names %s as its cause - is named, though its own chain is right", async (_what, how) => {
    const { root } = await session();
    const { hash } = (await one.journal.read(root))[3] ?? { hash: "" };
    const cause = { run: root, seq: 4, hash, message: await sent(), agent: "refunds", effect: "e" };
    const wrong =
      how === "seq"
        ? { ...cause, seq: 2 ** 40 }
        : how === "run"
          ? { ...cause, run: "x" }
          : { ...cause, hash: "0".repeat(64) };
    const child = await claimed(one.journal, { session: root, parent: root, agent: "answers", cause: wrong });
    expect(await verify(one.database, root)).toMatchObject({
      verified: false,
      firstBad: { run: child.head.run, seq: 1, problem: expect.stringContaining("caused") as string },
    });
  });

  test("an altered event that caused a run - is named itself, and not the run", async () => {
    const { root } = await session();
    await one.database.query(`update events set hash = ${FLIPPED} ${where} and seq = 4`, [root]);
    expect((await verify(one.database, root)).firstBad).toMatchObject({ run: root, seq: 4 });
  });

  test("a session that does not exist - is an error", async () => {
    await expect(verify(one.database, randomUUID())).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("verifying everything", () => {
  test("more runs and events than a page - are all verified while runs go on, and the earliest bad event is named", async () => {
    await using testDatabase = await createTestDatabase();
    await using stored = openJournal(testDatabase.url);
    const { journal, database } = stored;
    expect(await verify(database, null)).toEqual({ verified: false, runs: 0, events: 0, firstBad: null });
    const heads = [];
    for (let i = 0; i < 700; i++) heads.push((await claimed(journal)).head);
    const [long, ...others] = heads;
    if (!long) throw new Error("No run was made.");
    await journal.append(
      long,
      Array.from({ length: 11_000 }, (_, n) => step(n)),
    ).durable;
    const verified = new AbortController();
    const going = (async () => {
      for (let n = 0; !verified.signal.aborted; n++) {
        await Promise.all(others.slice(0, 50).map((head) => journal.append(head, [step(n)]).durable));
      }
    })();
    for (let i = 0; i < 5; i++) {
      const report = await verify(database, null);
      expect(report).toMatchObject({ verified: true, runs: 700, firstBad: null });
      expect(report.events).toBeGreaterThanOrEqual(11_700);
    }
    verified.abort();
    await going;
    const alter = (run: string, seq: number): Promise<object[]> =>
      database.query("update events set data = data || ' ' where run_id = $1 and seq = $2", [run, seq]);
    await alter(long.run, 11_001);
    expect((await verify(database, null)).firstBad).toMatchObject({ run: long.run, seq: 11_001 });
    // Earlier, whatever comes first by its id.
    const first = others[30];
    await alter(first?.run ?? "", 1);
    expect((await verify(database, null)).firstBad).toMatchObject({ run: first?.run, seq: 1 });
  });
});
