import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CONNECTION_LIMITS,
  nextTickAt,
  step,
  type ConnectionInput,
  type ConnectionState,
} from "../../../console/web/live/connection-state.ts";

const stopped: ConnectionState = { phase: "stopped" };

const inputs = fc.array(
  fc.record({
    input: fc.oneof(
      ...(["start", "welcomed", "heard", "retry_now", "tick"] as const).map((type) =>
        fc.constant<ConnectionInput>({ type }),
      ),
      fc.constantFrom("", "too_slow", "shutting_down").map((reason): ConnectionInput => ({ type: "closed", reason })),
    ),
    ms: fc.nat(30_000),
    random: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  }),
  { maxLength: 60 },
);

function walk(
  path: readonly { input: ConnectionInput; ms: number; random: number }[],
  each: (state: ConnectionState, now: number) => void,
): void {
  let state = step(stopped, { type: "start" }, 0, 0);
  let now = 0;
  for (const { input, ms, random } of path) {
    now += ms;
    state = step(state, input, now, random);
    each(state, now);
  }
}

describe("connection state", () => {
  it("always has a next thing to do once started, and soon enough", () => {
    fc.assert(
      fc.property(inputs, (path) => {
        walk(path, (state, now) => {
          const due = nextTickAt(state);
          expect(due).not.toBeNull();
          expect(Number(due) - now).toBeLessThanOrEqual(CONNECTION_LIMITS.silenceMs);
          if (state.phase === "waiting")
            expect(state.retryAt - now).toBeLessThanOrEqual(CONNECTION_LIMITS.longestRetryMs);
        });
      }),
    );
  });

  it("a tick before its time changes nothing, a tick at its time always does", () => {
    fc.assert(
      fc.property(inputs, (path) => {
        walk(path, (state, now) => {
          const due = nextTickAt(state) ?? now;
          if (due > now) expect(step(state, { type: "tick" }, Math.min(now, due - 1), 0.5)).toBe(state);
          expect(step(state, { type: "tick" }, due, 0.5).phase).not.toBe(state.phase);
        });
      }),
    );
  });

  it("waits longer after each failure, up to a limit, and starts over after a success", () => {
    let state = step(stopped, { type: "start" }, 0, 0);
    const waits: number[] = [];
    let now = 0;
    for (let i = 0; i < 8; i++) {
      state = step(state, { type: "closed", reason: "" }, now, 0.999999);
      if (state.phase !== "waiting") throw new Error(`It is ${state.phase}.`);
      waits.push(Math.round(state.retryAt - now));
      now = state.retryAt;
      state = step(state, { type: "tick" }, now, 0);
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000]);
    state = step(state, { type: "welcomed" }, now, 0);
    state = step(state, { type: "closed", reason: "" }, now, 0.999999);
    expect(state).toMatchObject({ phase: "waiting", attempt: 1, retryAt: expect.closeTo(now + 500, 0) as number });
  });

  it("remembers when the connection was lost over all attempts", () => {
    let state = step(stopped, { type: "start" }, 0, 0);
    state = step(state, { type: "welcomed" }, 100, 0);
    state = step(state, { type: "closed", reason: "" }, 5000, 0);
    state = step(state, { type: "tick" }, 9000, 0);
    expect(state).toMatchObject({ phase: "connecting", lostAt: 5000 });
    state = step(state, { type: "closed", reason: "" }, 9100, 0);
    expect(state).toMatchObject({ phase: "waiting", lostAt: 5000 });
  });

  it("takes silence for a loss", () => {
    const open = step(step(stopped, { type: "start" }, 0, 0), { type: "welcomed" }, 0, 0);
    const heard = step(open, { type: "heard" }, 30_000, 0);
    expect(step(heard, { type: "tick" }, 60_000, 0).phase).toBe("open");
    expect(step(heard, { type: "tick" }, 90_000, 0).phase).toBe("waiting");
  });

  it("does not try again by itself when the server says why it will not help", () => {
    const open = step(step(stopped, { type: "start" }, 0, 0), { type: "welcomed" }, 0, 0);
    for (const reason of ["protocol_mismatch", "signed_out"]) {
      const refused = step(open, { type: "closed", reason }, 10, 0);
      expect(refused).toEqual({ phase: "refused", reason, lostAt: 10 });
      expect(nextTickAt(refused)).toBeNull();
    }
  });

  it("stops from anywhere", () => {
    fc.assert(
      fc.property(inputs, (path) => {
        walk(path, (state, now) => expect(step(state, { type: "stop" }, now, 0)).toEqual(stopped));
      }),
    );
  });
});
