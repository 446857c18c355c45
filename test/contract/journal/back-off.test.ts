import { expect, test } from "vitest";
import type { NewEvent } from "../../../runtime/core/events.ts";
import type { Claim, RunHead } from "../../../runtime/core/journal.ts";
import { claimAny, claimant, claimed } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const { one } = useJournals();

const started = (head: RunHead): NewEvent => ({
  type: "attempt_started",
  data: { epoch: head.epoch, worker: "w1" },
});
const step: NewEvent = { type: "node_finished", data: { node: "1/a", name: "a", update: {}, ms: 1 } };
const repeated: NewEvent = { type: "effect_repeated", data: { effect: "e", why: "crash" } };

const claim = async (run: string): Promise<Claim> => {
  const [got] = await one.journal.claim([run], claimant("w1"));
  if (!got) throw new Error("The run cannot be claimed.");
  return got;
};

/** Whole seconds after which the run is due, from its release on. */
async function releasedFor(head: RunHead): Promise<number> {
  const clock = async (): Promise<Date> =>
    (await one.database.query<{ now: Date }>("select clock_timestamp() as now"))[0]?.now ?? new Date(NaN);
  const before = await clock();
  await one.journal.release(head, { endedEarly: true });
  const after = await clock();
  const [row] = await one.database.query<{ ready_at: Date }>("select ready_at from runs where run_id = $1", [head.run]);
  const dueMs = row?.ready_at.getTime() ?? NaN;
  const seconds = Math.round((dueMs - before.getTime()) / 1000);
  // The release was somewhere between the two; milliseconds are rounded.
  expect(dueMs - seconds * 1000).toBeGreaterThanOrEqual(before.getTime() - 1);
  expect(dueMs - seconds * 1000).toBeLessThanOrEqual(after.getTime() + 1);
  return seconds;
}

/** As if the time had come. */
const makeDue = (run: string) =>
  one.database.query("update runs set ready_at = clock_timestamp() where run_id = $1", [run]);

test("a run whose attempts come to nothing - is due ever later, and soon again once one got on", async () => {
  const { head } = await claimed(one.journal);
  const { run } = head;
  const delays: number[] = [];
  let holder = head;
  for (let n = 1; n <= 11; n++) {
    const recorded = [[started(holder)], [started(holder), repeated], []][n % 3] ?? [];
    if (recorded.length > 0) await one.journal.append(holder, recorded).durable;
    delays.push(await releasedFor(holder));
    await makeDue(run);
    holder = (await claim(run)).head;
  }
  expect(delays).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  await one.journal.append(holder, [started(holder), step]).durable;
  expect(await releasedFor(holder)).toBe(1);
});

test("a run that is not due - is claimed neither by name nor by a sweep", async () => {
  const { head } = await claimed(one.journal, { agent: "later" });
  await one.journal.append(head, [started(head)]).durable;
  await one.journal.release(head, { endedEarly: true });
  expect(await one.journal.claim([head.run], claimant("w1"))).toEqual([]);
  expect(await one.journal.claimAny(claimAny("w1", ["later"], 10))).toEqual([]);
  await makeDue(head.run);
  expect(await one.journal.claimAny(claimAny("w1", ["later"], 10))).toHaveLength(1);
});

test("a message for a run that is not due - makes it due at once", async () => {
  const { head } = await claimed(one.journal);
  await one.journal.append(head, [started(head)]).durable;
  await one.journal.release(head, { endedEarly: true });
  await one.journal.deliver(head.run, { id: "m", kind: "cancel", data: {} });
  await claim(head.run);
});

test("a message that came during an attempt that ended early - makes the run due at once", async () => {
  const created = await claimed(one.journal);
  await one.journal.append(created.head, [started(created.head)]).durable;
  await one.journal.deliver(created.head.run, { id: "m1", kind: "answer", data: {} });
  await one.journal.release(created.head, { endedEarly: true });
  const again = await claim(created.head.run);
  await one.journal.append(again.head, [started(again.head)]).durable;
  await one.journal.deliver(created.head.run, { id: "m2", kind: "cancel", data: {} });
  await one.journal.release(again.head, { endedEarly: true });
  const last = await claim(created.head.run);
  // Both have been there before: a third attempt in vain waits.
  await one.journal.append(last.head, [started(last.head)]).durable;
  expect(await releasedFor(last.head)).toBe(4);
});

test("a run that is given back untouched - is due at once", async () => {
  const { head } = await claimed(one.journal);
  await one.journal.append(head, [started(head)]).durable;
  await one.journal.release(head);
  await claim(head.run);
});
