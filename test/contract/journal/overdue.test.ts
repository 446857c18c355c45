import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Overdue } from "../../../runtime/core/housekeeping.ts";
import type { ViewWrite } from "../../../runtime/core/journal.ts";
import { createHousekeeping } from "../../../runtime/journal/housekeeping.ts";
import { createTurns } from "../../../runtime/journal/turns.ts";
import { approvalRequest, claimed, step } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const NOTHING: Overdue = { timers: false, leases: false, approvals: false, turns: false, messages: false };
const HOUR_MS = 3_600_000;

const { one } = useJournals();

const SECOND_AGO = "clock_timestamp() - interval '1 second'";

/** What makes each of them overdue, and then sees to it. */
const CASES: Readonly<Record<keyof Overdue, () => Promise<() => Promise<unknown>>>> = {
  async timers() {
    const { head } = await claimed(one.journal);
    await one.journal.append(head, [{ type: "run_parked", data: { waits: [] } }], {
      status: "parked",
      wakeAt: Date.now() - 1_000,
    }).durable;
    return () => createHousekeeping(one.database).wakeDueRuns();
  },
  async leases() {
    const { head } = await claimed(one.journal);
    await one.database.query(`update runs set lease_until = ${SECOND_AGO} where run_id = $1`, [head.run]);
    return () => createHousekeeping(one.database).freeLeftBehind([]);
  },
  async approvals() {
    const { head } = await claimed(one.journal);
    const views = [approvalRequest(randomUUID(), { expiresAt: Date.now() - 1_000 })];
    await one.journal.append(head, [step(1)], { views }).durable;
    return () => createHousekeeping(one.database).expireApprovals();
  },
  async turns() {
    const { head } = await claimed(one.journal);
    const turns = createTurns(one.database);
    await turns.take({ of: "a tool", run: head.run, effect: "e" }, 1, HOUR_MS);
    expect(await createHousekeeping(one.database).overdue()).toEqual(NOTHING);
    await one.database.query(`update turns set held_until = ${SECOND_AGO}`);
    return () => turns.handOut();
  },
  async messages() {
    const { head } = await claimed(one.journal);
    const id = randomUUID();
    const message = { envelope: { id, to: "a", kind: "ask", from: "b", run: null }, worker: "w", signature: "" };
    await one.journal.append(head, [step(1)], { views: [{ view: "message_out", message } as unknown as ViewWrite] })
      .durable;
    expect(await createHousekeeping(one.database).overdue()).toEqual(NOTHING);
    await one.database.query(`update outbox set resend_at = ${SECOND_AGO}`);
    return () => createHousekeeping(one.database).unreceivedMessages();
  },
};

test.each(Object.keys(CASES) as (keyof Overdue)[])("%s - are overdue until somebody has seen to them", async (what) => {
  const housekeeping = createHousekeeping(one.database);
  expect(await housekeeping.overdue()).toEqual(NOTHING);
  const seeTo = await CASES[what]();
  expect(await housekeeping.overdue()).toEqual({ ...NOTHING, [what]: true });
  await seeTo();
  expect(await housekeeping.overdue()).toEqual(NOTHING);
});

test("turns of which the offer was made and nobody was told - are overdue", async () => {
  const housekeeping = createHousekeeping(one.database);
  const turns = createTurns(one.database);
  const [has, waits] = [await claimed(one.journal), await claimed(one.journal)].map(({ head }) => ({
    of: "another",
    run: head.run,
    effect: "e",
  }));
  if (!has || !waits) throw new Error("There are no runs.");
  await turns.take(has, 1, HOUR_MS);
  await turns.take(waits, 1, HOUR_MS);
  // As a worker that dies between the two leaves it.
  await one.database.query("delete from turns where of = 'another' and run_id = $1", [has.run]);
  await one.database.query(
    "update turns set state = 'offered', held_until = clock_timestamp() + interval '1 minute' where of = 'another'",
  );
  expect(await housekeeping.overdue()).toEqual({ ...NOTHING, turns: true });
  await turns.handOut();
  expect(await housekeeping.overdue()).toEqual(NOTHING);
});

test("turns of those who did not come for them - are overdue once their place is not kept any more", async () => {
  const housekeeping = createHousekeeping(one.database);
  const { head } = await claimed(one.journal);
  const away = async (since: string): Promise<void> => {
    await one.database.query(
      `insert into turns (of, run_id, effect, at_most, state, held_until) values ('away', $1, 'e', 1, 'away', clock_timestamp() - $2::interval)
       on conflict (of, run_id, effect) do update set held_until = excluded.held_until`,
      [head.run, since],
    );
  };
  await away("10 minutes");
  expect(await housekeeping.overdue()).toEqual(NOTHING);
  await away("2 hours");
  expect(await housekeeping.overdue()).toEqual({ ...NOTHING, turns: true });
  await createTurns(one.database).handOut();
  expect(await housekeeping.overdue()).toEqual(NOTHING);
});
