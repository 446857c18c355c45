import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  EMPTY_FEED,
  feedCursor,
  receiveFrame,
  type Frame,
  type SessionFeed,
} from "../../../console/web/live/session-feed.ts";
import type { Cursor, JournalEvent } from "../../../runtime/core/events.ts";
import type { RunSummary, SessionSummary } from "../../../runtime/core/protocol.ts";

const ROOT = "run-0";

/** A step of a made-up session: some run goes on, asks another, or answers whoever asked it. */
interface Step {
  readonly run: number;
  readonly what: "go_on" | "ask" | "answer";
  /** Clocks of workers disagree, so time may seem to go back. */
  readonly ms: number;
}

const steps = fc.array(
  fc.record<Step>({
    run: fc.nat(9),
    what: fc.constantFrom("go_on", "go_on", "ask", "answer"),
    ms: fc.integer({ min: -40, max: 60 }),
  }),
  { maxLength: 60 },
);

/** Writes the events that the steps stand for, in an order in which causes come first. */
function write(plan: readonly Step[]): JournalEvent[] {
  const events: JournalEvent[] = [];
  const lastOf = new Map<string, JournalEvent>();
  const askers = new Map<string, string>();
  const answered = new Set<string>();
  let now = 1000;
  const add = (run: string, type: string, data: object): void => {
    const seq = (lastOf.get(run)?.seq ?? 0) + 1;
    const event = { run, seq, type, data, v: 1, at: now, prev: "", hash: `${run}:${String(seq)}` };
    events.push(event as unknown as JournalEvent);
    lastOf.set(run, event as unknown as JournalEvent);
  };
  add(ROOT, "run_started", { agent: "a", depth: 0 });
  for (const { run: pick, what, ms } of plan) {
    now += ms;
    const open = [...lastOf.keys()].filter((run) => !answered.has(run));
    const run = open[pick % open.length] ?? ROOT;
    const asker = askers.get(run);
    if (what === "ask") {
      const child = `run-${String(lastOf.size)}`;
      add(run, "effect_intended", { effect: "e" });
      const cause = lastOf.get(run);
      askers.set(child, run);
      add(child, "run_started", { agent: "b", depth: 1, cause: { run, seq: cause?.seq, hash: cause?.hash } });
    } else if (what === "answer" && asker !== undefined && !answered.has(asker)) {
      add(run, "run_finished", { output: null });
      answered.add(run);
      const end = lastOf.get(run);
      add(asker, "effect_finished", { effect: "e", child: { run, seq: end?.seq, hash: end?.hash } });
    } else {
      add(run, "node_finished", { node: "n" });
    }
  }
  return events;
}

function frame(events: readonly JournalEvent[], all: readonly JournalEvent[]): Frame {
  const runs = [...new Set(all.map((event) => event.run))].map((run): RunSummary => {
    const own = all.filter((event) => event.run === run);
    return {
      run,
      session: "s",
      agent: "a",
      parent: run === ROOT ? null : ROOT,
      status: "running",
      startedAt: 0,
      endedAt: null,
      events: own.length,
      waits: [],
    };
  });
  return { events, runs, session: summary(all.length) };
}

function summary(events: number): SessionSummary {
  return {
    session: "s",
    agent: "a",
    status: "running",
    startedBy: { kind: "service", id: "feed" },
    key: null,
    startedAt: 0,
    endedAt: null,
    runs: 1,
    events,
    waits: [],
  };
}

const name = (event: JournalEvent): string => `${event.run}:${String(event.seq)}`;
const shown = (feed: SessionFeed): string[] => feed.events.map(({ event }) => name(event));

/** What the server sends to a client that says what it has. */
const rest = (all: readonly JournalEvent[], have: Cursor): JournalEvent[] =>
  all.filter((event) => event.seq > (have[event.run] ?? 0));

/** No gap, nothing twice, nothing before its cause. One comparison, because this runs very often. */
function expectSound(feed: SessionFeed): void {
  const wrong: string[] = [];
  const reached = new Map<string, number>();
  for (const { event } of feed.events) {
    if (event.seq !== (reached.get(event.run) ?? 0) + 1) wrong.push(`${name(event)} is not the next of its run`);
    const cause =
      event.type === "run_started" ? event.data.cause : event.type === "effect_finished" ? event.data.child : undefined;
    if (cause !== undefined && (reached.get(cause.run) ?? 0) < cause.seq) wrong.push(`${name(event)} has no cause`);
    reached.set(event.run, event.seq);
  }
  const cursor = feedCursor(feed);
  for (const [run, seq] of reached) if ((cursor[run] ?? 0) < seq) wrong.push(`the cursor lacks ${run}`);
  expect(wrong).toEqual([]);
}

describe("session feed", () => {
  it("shows the same list however frames are cut, delayed, doubled and reordered", () => {
    const mishaps = fc.array(
      fc.record({
        from: fc.nat(80),
        length: fc.nat(12),
        times: fc.integer({ min: 1, max: 3 }),
        shuffle: fc.boolean(),
        askAgain: fc.boolean(),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(steps, mishaps, fc.infiniteStream(fc.nat()), (plan, frames, dice) => {
        const all = write(plan);
        const whole = receiveFrame(EMPTY_FEED, frame(all, all)).feed;
        expect(whole.events).toHaveLength(all.length);
        let feed = EMPTY_FEED;
        for (const { from, length, times, shuffle, askAgain } of frames) {
          const start = all.length === 0 ? 0 : from % all.length;
          const part = all.slice(start, start + length);
          if (shuffle) {
            part.sort(() => (Number(dice.next().value) % 2 === 0 ? 1 : -1));
          }
          for (let i = 0; i < times; i++) {
            const { feed: next, need } = receiveFrame(feed, frame(part, all));
            feed = next;
            expectSound(feed);
            if (need !== "nothing" && askAgain) feed = receiveFrame(feed, frame(rest(all, feedCursor(feed)), all)).feed;
          }
        }
        feed = receiveFrame(feed, frame(rest(all, feedCursor(feed)), all)).feed;
        expectSound(feed);
        expect(shown(feed)).toEqual(shown(whole));
      }),
      { numRuns: 200 },
    );
  });

  it("shows the same list when runs are told of one after the other", () => {
    fc.assert(
      fc.property(steps, fc.func(fc.nat()), (plan, weigh) => {
        const all = write(plan);
        const runs = [...new Set(all.map((event) => event.run))].toSorted((a, b) => weigh(a) - weigh(b));
        let feed = EMPTY_FEED;
        for (const run of runs) {
          const own = all.filter((event) => event.run === run);
          feed = receiveFrame(feed, frame(own, all)).feed;
          expectSound(feed);
        }
        expect(shown(feed)).toEqual(shown(receiveFrame(EMPTY_FEED, frame(all, all)).feed));
        expect(Object.keys(feed.waiting)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it("receiving a frame twice is receiving it once", () => {
    fc.assert(
      fc.property(steps, (plan) => {
        const all = write(plan);
        const once = receiveFrame(EMPTY_FEED, frame(all, all)).feed;
        const twice = receiveFrame(once, frame(all, all));
        expect(twice.need).toBe("nothing");
        expect(twice.feed.events).toBe(once.events);
      }),
    );
  });

  it("asks again exactly when a frame leaves something out", () => {
    const all = write([
      { run: 0, what: "go_on", ms: 1 },
      { run: 0, what: "go_on", ms: 1 },
      { run: 0, what: "go_on", ms: 1 },
    ]);
    const first = receiveFrame(EMPTY_FEED, frame(all.slice(0, 1), all));
    expect(first.need).toBe("nothing");
    const gap = receiveFrame(first.feed, frame(all.slice(2), all));
    expect(gap.need).toBe("ask_again");
    expect(shown(gap.feed)).toEqual(["run-0:1"]);
    expect(rest(all, feedCursor(gap.feed)).map(name)).toEqual(["run-0:2", "run-0:3", "run-0:4"]);
  });

  it("gives up asking when the server keeps leaving the same thing out", () => {
    const all = write([
      { run: 0, what: "go_on", ms: 1 },
      { run: 0, what: "go_on", ms: 1 },
    ]);
    let feed = receiveFrame(EMPTY_FEED, frame(all.slice(0, 1), all)).feed;
    const needs: string[] = [];
    for (let i = 0; i < 5; i++) {
      const result = receiveFrame(feed, frame(all.slice(2), all));
      feed = result.feed;
      needs.push(result.need);
    }
    expect(needs).toEqual(["ask_again", "ask_again", "ask_again", "ask_again", "reload"]);
    expect(receiveFrame(feed, frame(all.slice(1), all)).feed.stalled).toBe(0);
  });

  it("keeps an event back until the one that caused it is there", () => {
    const all = write([{ run: 0, what: "ask", ms: 1 }]);
    const child = all.filter((event) => event.run === "run-1");
    const early = receiveFrame(EMPTY_FEED, frame(child, all)).feed;
    expect(shown(early)).toEqual([]);
    expect(feedCursor(early)).toEqual({ "run-1": 1 });
    const then = receiveFrame(early, frame(rest(all, feedCursor(early)), all)).feed;
    expect(shown(then)).toEqual(["run-0:1", "run-0:2", "run-1:1"]);
  });

  it("puts the earlier first of events that do not cause each other", () => {
    const all = write([
      { run: 0, what: "ask", ms: 1 },
      { run: 1, what: "go_on", ms: 10 },
      { run: 1, what: "go_on", ms: 10 },
      { run: 0, what: "go_on", ms: 10 },
    ]);
    expect(
      shown(
        receiveFrame(
          EMPTY_FEED,
          frame(
            all.toReversed().toSorted((a, b) => a.seq - b.seq),
            all,
          ),
        ).feed,
      ),
    ).toEqual(["run-0:1", "run-0:2", "run-1:1", "run-1:2", "run-1:3", "run-0:3"]);
  });

  it("does not wait for a cause that lies in another session", () => {
    const [start] = write([]);
    if (start === undefined) throw new Error("A session has a first event.");
    const elsewhere = { ...start, data: { ...start.data, cause: { run: "other", seq: 7, hash: "" } } } as JournalEvent;
    expect(shown(receiveFrame(EMPTY_FEED, frame([elsewhere], [elsewhere])).feed)).toEqual(["run-0:1"]);
  });

  it("does not go back to an older summary that arrives late", () => {
    const all = write([{ run: 0, what: "go_on", ms: 1 }]);
    const newer = receiveFrame(EMPTY_FEED, frame(all, all)).feed;
    const late = receiveFrame(newer, frame([], all.slice(0, 1))).feed;
    expect(late.session?.events).toBe(2);
    expect(late.runs.map((run) => run.events)).toEqual([2]);
  });
});
