import { afterAll, beforeAll, expect, test } from "vitest";
import { OPEN_DEAD_LETTERS, queues, WAITING_MAIL } from "../../../runtime/operations/queues.ts";
import type { Database } from "../../../runtime/core/database.ts";
import { openDatabase } from "../../../runtime/journal/database.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";

let created: TestDatabase;
let database: Database;

beforeAll(async () => {
  created = await createTestDatabase();
  database = openDatabase({ url: created.url });
});
afterAll(async () => {
  await database.end();
  await created[Symbol.asyncDispose]();
});

/** So many messages to an agent, of which the first so many have been received. */
async function messages(agent: string, count: number, received: number): Promise<void> {
  await database.query(
    `insert into outbox (msg_id, to_agent, envelope, created_at, received_at, taken_at)
     select gen_random_uuid(), $1, '{}', clock_timestamp() - interval '1 minute', clock_timestamp(),
       case when i <= $3 then clock_timestamp() end
     from generate_series(1, $2) i`,
    [agent, count, received],
  );
}

test("queues - counts what lies in mailboxes, and costs what waits and not what there ever was", async () => {
  await messages("busy", 20_000, 20_000 - 7);
  await messages("idle", 20_000, 20_000);
  await database.query("insert into listeners (agent, topics, queue) values ('busy', '{}', 50), ('idle', '{}', 9)");
  await database.query(
    `insert into dead_letters (msg_id, agent, reason, detail, tries, settled_at, settlement)
     select msg_id, to_agent, 'too_many_tries', '', 5, case when n > 3 then clock_timestamp() end,
       case when n > 3 then 'dropped' end
     from (select *, row_number() over (order by place) as n from outbox where to_agent = 'busy') o`,
  );
  await database.query("analyze outbox, dead_letters");
  expect(await queues(database)).toMatchObject([{ agent: "busy", messages: 7, limit: 50, deadLetters: 3 }]);
  expect((await queues(database))[0]?.lagMs).toBeGreaterThanOrEqual(60_000);
  const plan = async (text: string) =>
    (await database.query<Record<string, string>>(`explain ${text}`)).map((row) => Object.values(row)[0]).join("\n");
  expect(await plan(WAITING_MAIL)).toContain("outbox_waiting");
  expect(await plan(WAITING_MAIL)).not.toContain("Seq Scan");
  expect(await plan(OPEN_DEAD_LETTERS)).toMatch(/dead_letters_open/);
  expect(await plan(OPEN_DEAD_LETTERS)).not.toContain("Seq Scan");
});
