import { describe, expect, test } from "vitest";
import { sha256 } from "../../../runtime/core/canonical.ts";
import type { NewEvent } from "../../../runtime/core/events.ts";
import type { RunHead } from "../../../runtime/core/journal.ts";
import { createSnapshots } from "../../../runtime/journal/snapshots.ts";
import { createTestDatabase } from "../../support/database.ts";
import { claimed, openJournal, step, type TestJournal } from "../../support/journal.ts";

/** Larger than what a row of events holds. */
const LARGE = "x".repeat(300_000);

async function kept(stored: TestJournal, text: string, after: readonly NewEvent[] = []): Promise<RunHead> {
  const { journal, database } = stored;
  const { head } = await claimed(journal, { input: { large: LARGE } });
  journal.append(head, [step(1), step(2)]);
  const { events, durable } = journal.append(head, [
    { type: "superstep_finished", data: { graph: "", step: 7, changes: {}, channels: "c" } },
    { type: "snapshot_taken", data: { step: 7, bytes: text.length, hash: sha256(text) } },
  ]);
  await durable;
  await createSnapshots(database).keep(head.run, events[1]?.seq ?? 0, text);
  if (after.length > 0) await journal.append(head, after).durable;
  return head;
}

describe("a snapshot", () => {
  test("that was kept - comes back with the first event and everything since, payloads that are stored apart too", async () => {
    await using database = await createTestDatabase();
    await using stored = openJournal(database.url);
    const text = JSON.stringify({ of: "a state", with: "\u0000 and ü" });
    const large: NewEvent = { type: "node_finished", data: { node: "8/a", name: "a", update: LARGE, ms: 1 } };
    const head = await kept(stored, text, [step(3), large]);
    const found = await createSnapshots(stored.database).newest(head);
    const events = await stored.journal.read(head.run);
    if (found.kind !== "kept") throw new Error(JSON.stringify(found));
    expect(found.snapshot.text).toBe(text);
    expect(found.snapshot.first).toEqual(events[0]);
    // The hash before the first of them is not read.
    expect(found.snapshot.events.slice(1)).toEqual(events.slice(4));
    expect(found.snapshot.events.map(({ type }) => type)).toEqual([
      "superstep_finished",
      "snapshot_taken",
      "node_finished",
      "node_finished",
    ]);
  });

  test("of a run that has none - is none", async () => {
    await using database = await createTestDatabase();
    await using stored = openJournal(database.url);
    const { head } = await claimed(stored.journal);
    expect(await createSnapshots(stored.database).newest(head)).toEqual({ kind: "none" });
  });

  test.each([
    ["the text", "update snapshots set data = data || ' '", "It is not what was recorded."],
    ["its place", "update snapshots set seq = seq + 1", "The event that is to name it names none."],
    ["its place, beyond the end", "update snapshots set seq = 99", "The event that names it is missing."],
    [
      "the hash that the chain names",
      "update events set data = replace(data, '\"step\":7', '\"step\":8') where type = 'snapshot_taken'",
      "The chain from it to the head breaks at the event 5.",
    ],
    [
      "an event after it",
      "update events set data = replace(data, '3', '4') where seq = 6",
      "The chain from it to the head breaks at the event 6.",
    ],
    [
      "the end of the record",
      "delete from events where seq = 7",
      "The chain from it to the head breaks at the event 7.",
    ],
  ])("where somebody has changed %s - is not usable", async (_, change, why) => {
    await using database = await createTestDatabase();
    await using stored = openJournal(database.url);
    const head = await kept(stored, "a state", [step(3), step(4)]);
    await stored.database.query(change);
    expect(await createSnapshots(stored.database).newest(head)).toEqual({ kind: "unusable", why });
  });

  test("takes the place of the one before, and goes with the end of its run", async () => {
    await using database = await createTestDatabase();
    await using stored = openJournal(database.url);
    const snapshots = createSnapshots(stored.database);
    const head = await kept(stored, "a state");
    const rows = (): Promise<unknown[]> => stored.database.query("select seq, data from snapshots");
    const text = "a later state";
    const { events, durable } = stored.journal.append(head, [
      { type: "snapshot_taken", data: { step: 8, bytes: text.length, hash: sha256(text) } },
    ]);
    await durable;
    const seq = events[0]?.seq ?? 0;
    await snapshots.keep(head.run, seq, text);
    expect(await rows()).toEqual([{ seq, data: text }]);
    const end: NewEvent = { type: "run_finished", data: { output: null } };
    await stored.journal.append(head, [end], { status: "finished", views: [{ view: "snapshot_dropped" }] }).durable;
    expect(await rows()).toEqual([]);
    // Of a worker that was frozen meanwhile.
    await snapshots.keep(head.run, seq, text);
    expect(await rows()).toEqual([]);
  });
});
