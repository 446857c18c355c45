import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { causalOrder } from "../../../runtime/core/causal-order.ts";
import type { JournalEvent } from "../../../runtime/core/events.ts";

function event(run: string, seq: number, at: number, type: string, data: object): JournalEvent {
  return { run, seq, at, v: 1, type, data, prev: "", hash: "" } as unknown as JournalEvent;
}

/** A parent that asks a child and takes its answer; every clock is off by what the property chooses. */
function session(clocks: readonly number[]): JournalEvent[][] {
  const at = (i: number): number => 1000 + (clocks[i] ?? 0);
  return [
    [
      event("a", 1, at(0), "run_started", {}),
      event("a", 2, at(1), "message_sent", {}),
      event("a", 3, at(2), "run_parked", { waits: [] }),
      event("a", 4, at(3), "effect_finished", { child: { run: "b", seq: 2 } }),
      event("a", 5, at(4), "run_finished", {}),
    ],
    [event("b", 1, at(5), "run_started", { cause: { run: "a", seq: 2 } }), event("b", 2, at(6), "run_finished", {})],
  ];
}

describe("causal order", () => {
  test("whatever the clocks say - nothing comes before its cause, and the order is one", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -500, max: 500 }), { minLength: 7, maxLength: 7 }), (clocks) => {
        const runs = session(clocks);
        const ordered = causalOrder(runs).map(({ run, seq }) => `${run}${String(seq)}`);
        for (const [before, after] of [
          ["a1", "a2"],
          ["a2", "a3"],
          ["a3", "a4"],
          ["a4", "a5"],
          ["a2", "b1"],
          ["b1", "b2"],
          ["b2", "a4"],
        ] as const) {
          expect(ordered.indexOf(before)).toBeLessThan(ordered.indexOf(after));
        }
        expect(causalOrder(runs.toReversed()).map(({ run, seq }) => `${run}${String(seq)}`)).toEqual(ordered);
      }),
    );
  });

  test("a part of a session - is ordered without what is missing", () => {
    const [, child = []] = session([]);
    expect(causalOrder([child])).toEqual(child);
  });

  test("causes that wait for each other - are shown all the same", () => {
    const one = event("a", 1, 1, "run_started", { cause: { run: "b", seq: 1 } });
    const two = event("b", 1, 2, "run_started", { cause: { run: "a", seq: 1 } });
    expect(causalOrder([[one], [two]])).toHaveLength(2);
  });
});
