import { beforeAll, describe, expect, test } from "vitest";
import { createHousekeeping } from "../../../runtime/journal/housekeeping.ts";
import { claimAnyOf, SUSPECTS_WAIT } from "../../../runtime/journal/sql.ts";
import { claimAny, newRun } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const { one } = useJournals();

/** Runs that are ready, many at once. */
async function many(agent: string, version: string, crashes: number, count: number): Promise<void> {
  await one.database.query(
    `insert into runs (run_id, session_id, agent, agent_version, starter_kind, starter_id, depth, head_seq, head_hash,
       started_at, status, crashes, ready_at)
     select gen_random_uuid(), gen_random_uuid(), $1, $2, 'person', 'ada', 0, 1, '\\x00', 0, 'ready', $3,
       clock_timestamp() - interval '1 minute'
     from generate_series(1, $4)`,
    [agent, version, crashes, count],
  );
}

interface Plan {
  readonly "Shared Hit Blocks": number;
  readonly "Shared Read Blocks": number;
}

/** How many pages a statement looks at. */
async function pages(text: string, values: unknown[]): Promise<number> {
  const [row] = await one.database.query<{ "QUERY PLAN": { Plan: Plan }[] }>(
    `explain (analyze, buffers, format json) ${text}`,
    values,
  );
  const plan = row?.["QUERY PLAN"][0]?.Plan;
  return (plan?.["Shared Hit Blocks"] ?? 0) + (plan?.["Shared Read Blocks"] ?? 0);
}

describe("suspects", () => {
  beforeAll(async () => {
    await many("theirs", "1", 1, 4_000);
    await many("mine", "2", 1, 2_000);
    await many("mine", "1", 0, 4_000);
    await one.database.query("analyze runs");
  });

  test("of other agents and versions - cost nobody anything", async () => {
    expect(await pages(SUSPECTS_WAIT, [["mine"], ["1"]])).toBeLessThan(40);
    const claim = (take: "suspects" | "sound"): unknown[] => [
      "w",
      60_000,
      take === "suspects",
      ["mine"],
      ["1"],
      [1],
      0,
      1,
    ];
    expect(await pages(claimAnyOf("suspects"), claim("suspects"))).toBeLessThan(40);
    expect(await pages(claimAnyOf("sound"), claim("sound"))).toBeLessThan(200);
  });

  test("of the worker's own - are seen, and claimed only by who takes them", async () => {
    const housekeeping = createHousekeeping(one.database);
    expect(await housekeeping.suspectsWait(new Map([["mine", "1"]]))).toBe(false);
    expect(await housekeeping.suspectsWait(new Map([["theirs", "1"]]))).toBe(true);
    const { run } = newRun({ agent: "few" });
    await one.journal.create(newRun({ run, agent: "few" }));
    expect(await housekeeping.suspectsWait(new Map([["few", "few"]]))).toBe(false);
    await one.database.query("update runs set crashes = 1 where run_id = $1", [run]);
    expect(await housekeeping.suspectsWait(new Map([["few", "few"]]))).toBe(true);
    const claims = async (take: "suspects" | "sound") =>
      (await one.journal.claimAny({ ...claimAny("w", ["few"], 1), take })).map(({ head }) => head.run);
    expect(await claims("sound")).toEqual([]);
    expect(await claims("suspects")).toEqual([run]);
  });
});
