import { expect, test } from "vitest";
import { createHousekeeping } from "../../../runtime/journal/housekeeping.ts";
import { createTestDatabase } from "../../support/database.ts";
import { openJournal } from "../../support/journal.ts";

test("a rule set - is on record once somebody has put it there, and stays as it was", async () => {
  await using database = await createTestDatabase();
  await using stored = openJournal(database.url);
  const housekeeping = createHousekeeping(stored.database);
  expect(await housekeeping.hasRuleSet("h")).toBe(false);
  await housekeeping.keepRuleSet("h", "content");
  expect(await housekeeping.hasRuleSet("h")).toBe(true);
  await housekeeping.keepRuleSet("h", "another");
  expect(await stored.database.query("select hash, content from rule_sets")).toEqual([
    { hash: "h", content: "content" },
  ]);
});
