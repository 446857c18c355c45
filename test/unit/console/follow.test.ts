import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { follow } from "../../../console/server/live/session-feed.ts";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import type { RunSummary } from "../../../runtime/core/protocol.ts";

const RUNS = [randomUUID(), randomUUID(), randomUUID()] as const;

const event = (run: string, seq: number): JournalEvent => ({
  type: "run_cancelled",
  data: { by: { kind: "system", id: "test" }, reason: "", message: "" },
  run,
  seq,
  v: 1,
  at: 0,
  prev: "",
  hash: `${run} ${String(seq)}`,
});

const run = (id: string, events: number): RunSummary => ({
  run: id,
  session: RUNS[0],
  agent: "a",
  parent: null,
  status: "running",
  startedAt: 0,
  endedAt: null,
  events,
  waits: [],
});

const cursor = fc.record({ [RUNS[0]]: fc.nat(5), [RUNS[1]]: fc.nat(5), [RUNS[2]]: fc.nat(5) });

test("follow - whatever overlap is read, each event after the cursor comes once and in its run's order", () => {
  fc.assert(
    fc.property(cursor, fc.array(fc.nat(5), { minLength: 3, maxLength: 3 }), fc.nat(3), (have, more, overlap) => {
      const runs = RUNS.map((id, i) => run(id, (have[id] ?? 0) + (more[i] ?? 0)));
      const events = runs.flatMap(({ run: id, events: reach }) => {
        const from = Math.max(1, (have[id] ?? 0) + 1 - overlap);
        return Array.from({ length: reach - from + 1 }, (_, i) => event(id, from + i));
      });
      const step = follow(have, { events, runs });
      if (typeof step === "string") throw new Error(step);
      for (const [i, id] of RUNS.entries()) {
        const seqs = step.events.filter((one) => one.run === id).map((one) => one.seq);
        expect(seqs).toEqual(Array.from({ length: more[i] ?? 0 }, (_, n) => (have[id] ?? 0) + 1 + n));
        expect(step.cursor[id] ?? 0).toBe((have[id] ?? 0) + (more[i] ?? 0));
      }
    }),
  );
});

test("follow - a missing event is never passed over", () => {
  const runs = [run(RUNS[0], 3)];
  expect(follow({}, { events: [event(RUNS[0], 1), event(RUNS[0], 3)], runs })).toBe("hole_in_record");
  expect(follow({ [RUNS[0]]: 1 }, { events: [event(RUNS[0], 3)], runs })).toBe("hole_in_record");
});

test("follow - a cursor beyond the record, or of a run that is not there, is told", () => {
  expect(follow({ [RUNS[0]]: 4 }, { events: [], runs: [run(RUNS[0], 3)] })).toBe("ahead_of_record");
  expect(follow({ [RUNS[1]]: 1 }, { events: [], runs: [run(RUNS[0], 3)] })).toBe("ahead_of_record");
  expect(follow({ [RUNS[1]]: 0 }, { events: [], runs: [run(RUNS[0], 3)] })).toMatchObject({ events: [] });
});
